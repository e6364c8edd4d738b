// `agentadmit connect` and `agentadmit mcp-bridge` in front of the Rust example of an MCP server: a person in
// Chromium says yes to a device's code; a scope is added; the end is felt at the next call.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch } from "../support/browser.js";
import { BINARIES, environmentOf, World } from "../support/world.js";
import { allow, toConsent } from "./support.js";

const SCOPES = [
  { name: "notes:read", description: "Read your notes" },
  { name: "notes:write", description: "Write notes" },
  { name: "notes:delete", description: "Delete notes for good", sensitive: true },
];
const PROGRAM = join(BINARIES, "agentadmit");

describe.skipIf(!hasBrowser)("an agent without a browser", () => {
  const folder = mkdtempSync(join(tmpdir(), "agentadmit-connect-"));
  const env = environmentOf({
    XDG_CONFIG_HOME: join(folder, "home"),
    DISPLAY: "",
    WAYLAND_DISPLAY: "",
  }) as Record<string, string>;
  let world: World;
  let browser: Browser;
  let ada: BrowserContext;
  let server: ChildProcess;
  let mcp: string;

  beforeAll(async () => {
    [world, browser] = await Promise.all([World.start({ scopes: SCOPES }), launch()]);
    const keys = `/v1/operator/apps/${world.appId}/api-keys`;
    const key = (await world.asOperator(keys, { environment: "test" })).api_key as string;
    const { service, appId } = world;
    // JSON is YAML
    const settings = { name: "Notes", service_url: service, app_id: appId, scopes: SCOPES };
    writeFileSync(join(folder, "agentadmit.yaml"), JSON.stringify(settings));
    server = spawn(join(BINARIES, "axum-notes"), ["127.0.0.1:0"], {
      cwd: folder,
      env: { ...env, AGENTADMIT_API_KEY: key },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const notes = await said(server, /^listening on (http:\S+)/);
    mcp = `${notes}/mcp`;
    await world.asOperator(
      `/v1/operator/apps/${world.appId}`,
      {
        settings: {
          resources: [{ uri: mcp, environment: "test" }],
          login_url: `${notes}/agentadmit/authorize`,
        },
      },
      "PATCH",
    );
    ada = await browser.newContext({ locale: "en-GB" });
    const page = await ada.newPage();
    await page.goto(notes);
    await page.getByLabel("Name").fill("ada");
    await page.getByLabel("Password").fill("difference-engine");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "Sign out" }).waitFor();
  });
  afterAll(async () => {
    await browser?.close();
    server?.kill();
    world?.end();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The first line of stderr that says this. */
  function said(child: ChildProcess, what: RegExp): Promise<string> {
    return new Promise((found, failed) => {
      const lines: string[] = [];
      if (!child.stderr) return failed(new Error("no stderr"));
      createInterface({ input: child.stderr })
        .on("line", (line) => {
          lines.push(line);
          const match = line.match(what);
          if (match) found(match[1] ?? "");
        })
        .once("close", () => failed(new Error(`it said:\n${lines.join("\n")}`)));
    });
  }

  /** `connect` with a code, and the person who says yes to some scopes. */
  async function connects(scopes: RegExp[]): Promise<string> {
    const child = spawn(PROGRAM, ["connect", mcp], { env, stdio: ["ignore", "pipe", "pipe"] });
    let told = "";
    child.stdout.on("data", (data) => {
      told += data;
    });
    const over = new Promise((done) => child.once("close", done));
    const code = await said(child, /^\s*([A-Z]{4}-[A-Z]{4})$/);
    const page = await toConsent(ada, `${world.service}/oauth/device?user_code=${code}`);
    await allow(page, scopes);
    expect(await over).toBe(0);
    await page.close();
    return told;
  }

  async function bridge(): Promise<Client> {
    const client = new Client({ name: "test", version: "1.0.0" });
    const args = ["mcp-bridge", mcp];
    await client.connect(
      new StdioClientTransport({ command: PROGRAM, args, env, stderr: "ignore" }),
    );
    return client;
  }

  async function calls(client: Client, name: string, more = {}): Promise<[boolean, string]> {
    const { isError, content } = await client.callTool({ name, arguments: more });
    return [isError !== true, JSON.stringify(content)];
  }

  test("is let in by a person elsewhere, asks for more, and is shown out", async () => {
    const told = await connects([/Read your notes/]);
    expect(told).toContain("notes:read");
    const kept = join(folder, "home/agentadmit/credentials.json");
    expect(statSync(kept).mode & 0o777).toBe(0o600);
    expect(readFileSync(kept, "utf8")).toContain("ag_rt_");

    const client = await bridge();
    const names = (await client.listTools()).tools.map((tool) => tool.name);
    expect(names).toEqual(expect.arrayContaining(["list_notes", "add_note"]));
    expect(await calls(client, "list_notes")).toEqual([true, expect.not.stringContaining("ag_")]);

    const [isDone, why] = await calls(client, "add_note", { text: "milk" });
    expect([isDone, why]).toEqual([false, expect.stringContaining("notes:write")]);
    expect(why).toContain("agentadmit connect");
    expect(await connects([/Read your notes/, /Write notes/])).toContain("notes:write");
    // the bridge that runs finds it
    expect(await calls(client, "add_note", { text: "milk" })).toEqual([true, expect.any(String)]);

    const end = spawn(PROGRAM, ["connect", "end", mcp], { env, stdio: "ignore" });
    expect(await new Promise((done) => end.once("close", done))).toBe(0);
    const [isStillIn, words] = await calls(client, "list_notes");
    expect([isStillIn, words]).toEqual([false, expect.stringContaining("agentadmit connect")]);
    await client.close();
  });
});
