// What is published: its entries, their sizes, and an app that installs the tarball.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { build, type PreviewServer, preview } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { choose, hasBrowser, launch, mustBeAccessible, visit } from "../support/browser.js";
import { freePort } from "../support/ports.js";
import { World } from "../support/world.js";

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const MOST_BYTES = 15_000;

const manifest = JSON.parse(readFileSync(at("react/package.json"), "utf8"));
let folder: string;
let tarball: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "agentadmit-package-"));
  const pack = ["pack", "--json", "--pack-destination", folder];
  const packed = execFileSync("npm", pack, {
    cwd: at("react"),
    stdio: ["ignore", "pipe", "ignore"],
  });
  const said = JSON.parse(packed.toString());
  const [file] = Array.isArray(said) ? said : Object.values(said);
  tarball = join(folder, (file as { filename: string }).filename);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the package", () => {
  test("brings nothing along", () => {
    expect(manifest.dependencies).toBeUndefined();
    expect(Object.keys(manifest.peerDependencies)).toEqual(["react"]);
  });

  test("has nothing that publint finds", async () => {
    const { messages } = await publint({ pkgDir: at("react"), strict: true });
    expect(messages.map((message) => formatMessage(message, manifest))).toEqual([]);
  });

  test("has types that are right for whoever imports it", () => {
    const attw = [at("node_modules/@arethetypeswrong/cli/dist/index.js"), tarball];
    const options = [
      "--profile",
      "esm-only",
      "--exclude-entrypoints",
      "./styles.css",
      "--no-color",
    ];
    execFileSync(process.execPath, [...attw, ...options], { stdio: "pipe" });
  });

  test.each(["index.js", "headless.js", "ar.js", "styles.css"])("%s is small", (entry) => {
    const bytes = [...withChunks(entry)].reduce((sum, file) => sum + gzipped(file), 0);
    console.info(`${entry}: ${bytes} bytes gzipped`);
    expect(bytes).toBeLessThan(MOST_BYTES);
  });

  test("says that it is for the client, in every file", () => {
    for (const file of readdirSync(at("react/dist")).filter((name) => name.endsWith(".js"))) {
      expect(readFileSync(at(`react/dist/${file}`), "utf8"), file).toMatch(/^"use client";/);
    }
  });
});

/** An entry and every file of the package that it imports. */
function withChunks(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const text = readFileSync(at(`react/dist/${file}`), "utf8");
  for (const [, chunk] of text.matchAll(/from"\.\/([^"]+)"/g)) withChunks(chunk as string, found);
  return found;
}

const gzipped = (file: string) =>
  gzipSync(readFileSync(at(`react/dist/${file}`)), { level: 9 }).length;

const APP = {
  "index.html": `<!doctype html><html lang="en"><head><meta charset="utf-8">
    <meta name="viewport" content="width=device-width"><title>An app</title></head>
    <body><main id="app"></main><script type="module" src="/main.tsx"></script></body></html>`,
  "main.tsx": `
import { AgentAdmitPanel, ConnectAgentButton, type AgentAdmitPanelProps } from "@agentadmit/react";
import { type Connection, useConnections } from "@agentadmit/react/headless";
import { ar } from "@agentadmit/react/ar";
import "@agentadmit/react/styles.css";
import { createRoot } from "react-dom/client";

const props: AgentAdmitPanelProps = { purpose: "Sort my orders", preselected: ["read:orders", "create:refunds"] };
const name = (connection: Connection): string => connection.agent_label ?? "?";

function Count() {
  const connections = useConnections({ status: "active" });
  return <p>Active: {connections.data?.map(name).join(", ")}</p>;
}

createRoot(document.getElementById("app")!).render(
  <><h1>My app</h1><Count /><ConnectAgentButton strings={ar} /><AgentAdmitPanel {...props} /></>,
);`,
  "vite-env.d.ts": `declare module "*.css";`,
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      strict: true,
      jsx: "react-jsx",
      module: "esnext",
      moduleResolution: "bundler",
      target: "es2022",
      lib: ["es2022", "dom"],
      types: [],
      noEmit: true,
    },
    include: ["main.tsx", "vite-env.d.ts"],
  }),
};

describe("a Vite app with React 18 that installs the tarball", () => {
  let app: string;

  beforeAll(async () => {
    app = join(folder, "app");
    mkdirSync(app);
    const versions = {
      react: "18.3.1",
      "react-dom": "18.3.1",
      "@types/react": "18.3.31",
      "@types/react-dom": "18.3.7",
    };
    const dependencies = { ...versions, "@agentadmit/react": `file:${tarball}` };
    const own = { name: "app", private: true, type: "module", dependencies };
    writeFileSync(join(app, "package.json"), JSON.stringify(own));
    for (const [name, text] of Object.entries(APP)) writeFileSync(join(app, name), text);
    const install = ["install", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"];
    execFileSync("npm", install, { cwd: app, stdio: "pipe" });
    await build({ root: app, configFile: false, logLevel: "error", esbuild: { jsx: "automatic" } });
  });

  test("has the types", () => {
    execFileSync(process.execPath, [at("node_modules/typescript/bin/tsc"), "-p", app], {
      stdio: "pipe",
    });
  });

  test.skipIf(!hasBrowser)("renders and lets an agent in", async () => {
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const [world, browser] = await Promise.all([World.start({ publicUrl: origin }), launch()]);
    let server: PreviewServer | undefined;
    try {
      const proxy = { "/agentadmit": world.shop, "/login": world.shop, "/shop": world.shop };
      server = await preview({
        root: app,
        configFile: false,
        preview: { host: "127.0.0.1", port, strictPort: true, proxy },
      });
      const page = await visit(browser, world);
      const said: string[] = [];
      page.on("pageerror", (error) => said.push(error.message));
      await page.goto(origin);
      await page.getByText("Sort my orders").waitFor();
      const offered = page.getByRole("group", { name: "What may it do?" });
      expect(await offered.getByRole("checkbox", { name: /See your orders/ }).isChecked()).toBe(
        true,
      );
      const sensitive = offered.getByRole("checkbox", { name: /Ask for your money back/ });
      expect(await sensitive.isChecked(), "never chosen beforehand").toBe(false);
      await choose(page, /See your orders/);
      await page.getByRole("button", { name: "Make a token" }).click();
      const message = await page.getByLabel("Message for your agent").inputValue();
      const body = JSON.stringify({ token: message.match(/ag_ct_\w+/)?.[0], agent_label: "Baker" });
      const headers = { "Content-Type": "application/json" };
      await fetch(`${world.shop}/agentadmit/token/exchange`, { method: "POST", headers, body });
      await page.getByText("Your agent is connected.").waitFor();
      await page.getByRole("button", { name: "Done" }).click();
      await page.getByRole("listitem", { name: "Baker" }).waitFor();

      await mustBeAccessible(page, "the React panel");
      await page.getByRole("button", { name: "وصل وكيل" }).click();
      await page.locator("form button[value=grant]").waitFor();
      expect(new URL(page.url()).pathname, "the hosted page").toMatch(/^\/consent\/cs_/);
      expect(said).toEqual([]);
    } finally {
      await browser.close();
      await server?.close();
      world.end();
    }
  });
});
