// The packed tarball in an app of Next.js (App Router): built, rendered on the server, hydrated in a
// browser. It takes minutes and a download, so that it runs with `cargo xtask test --full` alone.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch, mustBeAccessible, visit } from "../support/browser.js";
import { freePort } from "../support/ports.js";
import { World } from "../support/world.js";

const IS_FULL = process.env.AGENTADMIT_FULL === "1";
const REACT = fileURLToPath(new URL("../../react", import.meta.url));
const MINUTES = 60_000;
/** What a program says is shown when it fails. */
const quiet = { stdio: "pipe" } as const;

const APP = {
  "app/layout.tsx": `
import "@agentadmit/react/styles.css";
import type { ReactNode } from "react";

export const metadata = { title: "A shop on Next.js", icons: "data:," };

export default function Layout({ children }: { children: ReactNode }) {
  return <html lang="en"><body><main>{children}</main></body></html>;
}`,
  // a component of the server: what it renders goes out as HTML
  "app/page.tsx": `
import { AgentAdmitPanel, ConnectAgentButton } from "@agentadmit/react";

export const dynamic = "force-dynamic";

export default function Page() {
  return (
    <>
      <h1>My shop</h1>
      <ConnectAgentButton />
      <AgentAdmitPanel purpose="Sort my orders" preselected={["read:orders"]} />
    </>
  );
}`,
  // and one of the browser, with the hooks alone
  "app/agents/page.tsx": `
"use client";
import { useConnections } from "@agentadmit/react/headless";

export default function Agents() {
  const { data, error } = useConnections({ status: "active" });
  return <p>{error ? error.code : \`\${data?.length ?? "…"} agents\`}</p>;
}`,
  "next.config.mjs": `
const shop = process.env.SHOP;
export default {
  rewrites: async () =>
    ["/agentadmit/:path*", "/login"].map((source) => ({ source, destination: shop + source })),
};`,
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      strict: true,
      jsx: "preserve",
      module: "esnext",
      moduleResolution: "bundler",
      target: "es2022",
      lib: ["es2022", "dom"],
      noEmit: true,
      skipLibCheck: true,
      esModuleInterop: true,
      resolveJsonModule: true,
      isolatedModules: true,
      plugins: [{ name: "next" }],
    },
    include: ["next-env.d.ts", "**/*.ts", "**/*.tsx", ".next/types/**/*.ts"],
    exclude: ["node_modules"],
  }),
};

describe.skipIf(!IS_FULL)("an app of Next.js that installs the tarball", () => {
  let folder: string;
  let app: string;
  let world: World;
  let server: ChildProcess | undefined;
  let origin: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "agentadmit-next-"));
    app = join(folder, "app");
    const pack = ["pack", "--json", "--pack-destination", folder];
    const said = JSON.parse(execFileSync("npm", pack, { cwd: REACT, ...quiet }).toString());
    const [file] = Array.isArray(said) ? said : Object.values(said);
    const tarball = join(folder, (file as { filename: string }).filename);
    const dependencies = {
      "@agentadmit/react": `file:${tarball}`,
      "@types/node": "22.20.5",
      "@types/react": "19.3.0",
      next: "16.4.6",
      react: "19.3.1",
      "react-dom": "19.3.1",
      typescript: "5.9.3",
    };
    for (const [name, text] of Object.entries(APP)) {
      mkdirSync(dirname(join(app, name)), { recursive: true });
      writeFileSync(join(app, name), text);
    }
    writeFileSync(join(app, "package.json"), JSON.stringify({ private: true, dependencies }));
    const install = ["install", "--prefer-offline", "--no-audit", "--no-fund"];
    execFileSync("npm", install, { cwd: app, ...quiet });

    const port = await freePort();
    origin = `http://127.0.0.1:${port}`;
    world = await World.start({ publicUrl: origin });
    const env = { ...process.env, SHOP: world.shop, NEXT_TELEMETRY_DISABLED: "1" };
    const next = join(app, "node_modules/next/dist/bin/next");
    try {
      execFileSync(process.execPath, [next, "build"], { cwd: app, env, ...quiet });
    } catch (error) {
      const { stdout, stderr } = error as { stdout: Buffer; stderr: Buffer };
      throw new Error(`next build:\n${stdout}\n${stderr}`);
    }
    const start = [next, "start", "--hostname", "127.0.0.1", "--port", String(port)];
    server = spawn(process.execPath, start, { cwd: app, env, stdio: "ignore" });
  }, 10 * MINUTES);
  afterAll(() => {
    server?.kill("SIGKILL");
    world?.end();
    rmSync(folder, { recursive: true, force: true });
  });

  test("is rendered on the server", async () => {
    const status = () =>
      fetch(origin).then(
        (it) => it.status,
        () => 0,
      );
    await expect.poll(status, { timeout: MINUTES }).toBe(200);
    const html = await (await fetch(origin)).text();
    expect(html).toContain("Let an AI agent in");
    expect(html).toContain("Connect an agent");
    expect(html).toContain('class="aa"');
  });

  test.skipIf(!hasBrowser)("is hydrated in a browser, and lets an agent in", async () => {
    const browser = await launch();
    try {
      const page = await visit(browser, world);
      const said: string[] = [];
      page.on("pageerror", (error) => said.push(error.message));
      page.on("console", (it) => it.type() === "error" && said.push(it.text()));
      await page.goto(origin);
      await page.getByText("Sort my orders").waitFor();
      await page.getByRole("button", { name: "Make a token" }).click();
      const message = await page.getByLabel("Message for your agent").inputValue();
      await world.exchange(message.match(/ag_ct_\w+/)?.[0] ?? "", "Baker");
      await page.getByText("Your agent is connected.").waitFor();
      await mustBeAccessible(page, "the panel on Next.js");
      await page.goto(`${origin}/agents`);
      await page.getByText("1 agents").waitFor();
      expect(said, "no error, and nothing that the server rendered otherwise").toEqual([]);
    } finally {
      await browser.close();
    }
  });
});
