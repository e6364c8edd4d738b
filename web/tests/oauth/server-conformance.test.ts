// `@modelcontextprotocol/conformance server` against the example MCP server in Rust: what a guard in front of
// a server must not break (handshake, sessions, headers, lists), and what the server owes whoever runs it on
// a desk (names in `Host` and `Origin`). `contract/mcp-server-conformance.json` is the committed list: every
// scenario that the tool has for a revision is in it, with its checks or with the reason why it is not run.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as forward, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../support/ports.js";
import { BINARIES, environmentOf, World } from "../support/world.js";

interface Result {
  scenario: string;
  revision: string;
  check: string;
  result: string;
}

interface List {
  tool: string;
  server: string;
  results: Result[];
  explained: { check: string; because: string }[];
  not_run: { reason: string; scenarios: string[] }[];
}

const LIST = fileURLToPath(
  new URL("../../../contract/mcp-server-conformance.json", import.meta.url),
);
const COMMITTED = JSON.parse(readFileSync(LIST, "utf8")) as List;
const PACKAGE = fileURLToPath(
  new URL("../../node_modules/@modelcontextprotocol/conformance/", import.meta.url),
);
const REVISIONS = ["2025-06-18", "2025-11-25", "2026-07-28"];
const SCOPES = [
  { name: "notes:read", description: "Read your notes" },
  { name: "notes:write", description: "Write notes" },
];
/** How long the server may take until it listens, in milliseconds. */
const START = 60_000;
const NOT_RUN = new Set(COMMITTED.not_run.flatMap((it) => it.scenarios));

function tool(options: string[]): Promise<string[]> {
  const child = spawn(process.execPath, [join(PACKAGE, "dist/index.js"), ...options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const said: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => said.push(line));
  return new Promise((done, failed) => {
    child.once("error", failed);
    child.once("close", () => done(said));
  });
}

async function scenariosOf(revision: string): Promise<string[]> {
  const said = await tool(["list", "--server", "--spec-version", revision]);
  return said.flatMap((line) => line.match(/^ {2}- (\S+)/)?.[1] ?? []);
}

/** The checks of one scenario, as the tool wrote them down. */
async function checksOf(url: string, scenario: string, revision: string): Promise<Result[]> {
  const folder = mkdtempSync(join(tmpdir(), "server-conformance-"));
  try {
    const options = ["--url", url, "--scenario", scenario, "--spec-version", revision];
    await tool(["server", ...options, "--output-dir", folder]);
    return readdirSync(folder).flatMap((name) => {
      const checks = JSON.parse(readFileSync(join(folder, name, "checks.json"), "utf8"));
      return (checks as { id: string; status: string }[]).map(({ id, status }) => ({
        scenario,
        revision,
        check: id,
        result: status,
      }));
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Stands before the server and adds the token, which the tool cannot send; all else goes on as it is. */
async function withToken(target: URL, token: string): Promise<{ url: string; server: Server }> {
  const server = createServer((asked, answer) => {
    const headers = { ...asked.headers, authorization: `Bearer ${token}` };
    const onward = forward(
      { host: target.hostname, port: target.port, path: asked.url, method: asked.method, headers },
      (answered) => {
        answer.writeHead(answered.statusCode ?? 502, answered.headers);
        answered.pipe(answer);
        answered.once("error", () => answer.destroy());
      },
    );
    onward.once("error", () => answer.destroy());
    answer.once("close", () => onward.destroy());
    asked.pipe(onward);
  });
  const port = await freePort();
  await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${port}/mcp`, server };
}

describe("the conformance suite of MCP, for servers", () => {
  let world: World;
  let notes: ChildProcess;
  let folder: string;
  let proxy: { url: string; server: Server };

  beforeAll(async () => {
    world = await World.start({ name: "Notes", scopes: SCOPES });
    folder = mkdtempSync(join(tmpdir(), "notes-"));
    const keys = `/v1/operator/apps/${world.appId}/api-keys`;
    const made = await world.asOperator(keys, { environment: "test", permissions: ["verify"] });
    const configuration = { name: "Notes", service_url: world.service, app_id: world.appId };
    // JSON is YAML
    const settings = JSON.stringify({ ...configuration, scopes: SCOPES });
    writeFileSync(join(folder, "agentadmit.yaml"), settings);
    notes = spawn(join(BINARIES, "axum-notes"), ["127.0.0.1:0"], {
      cwd: folder,
      env: environmentOf({ AGENTADMIT_API_KEY: made.api_key as string }),
      stdio: ["ignore", "ignore", "pipe"],
    });
    const address = await listening(notes);
    const token = await world.connect("u_ada", "Conformance", ["notes:read", "notes:write"]);
    proxy = await withToken(new URL(address), token);
  });
  afterAll(() => {
    proxy?.server.close();
    proxy?.server.closeAllConnections();
    notes?.kill("SIGKILL");
    world?.end();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  test("the pinned version is the one of the list", () => {
    const { version } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"));
    expect(COMMITTED.tool).toBe(`@modelcontextprotocol/conformance ${version}`);
  });

  test.each(REVISIONS)("every scenario of %s is run or named", async (revision) => {
    const all = await scenariosOf(revision);
    expect(all.length).toBeGreaterThan(0);
    const results: Result[] = [];
    for (const scenario of all.filter((it) => !NOT_RUN.has(it))) {
      const checks = await checksOf(proxy.url, scenario, revision);
      expect(checks, scenario).not.toEqual([]);
      results.push(...checks);
    }
    expect(results).toEqual(COMMITTED.results.filter((it) => it.revision === revision));
  });

  test("what is not run is a scenario of the tool's", async () => {
    const all = new Set((await Promise.all(REVISIONS.map(scenariosOf))).flat());
    expect([...NOT_RUN].filter((it) => !all.has(it))).toEqual([]);
  });

  test("what does not succeed is explained, and nothing else is", () => {
    const others = COMMITTED.results.filter((it) => it.result !== "SUCCESS");
    const explained = COMMITTED.explained.map((it) => it.check);
    expect(new Set(others.map((it) => it.check))).toEqual(new Set(explained));
  });
});

/** Where a server listens, once it says so. */
function listening(child: ChildProcess): Promise<string> {
  return new Promise((found, failed) => {
    const said: string[] = [];
    const fail = (why: string) => failed(new Error(`axum-notes ${why}:\n${said.join("\n")}`));
    const timer = setTimeout(() => fail("does not listen"), START);
    child.once("error", () => fail("could not be started"));
    child.once("exit", (code) => fail(`ended with ${code}`));
    const lines = createInterface({ input: child.stderr as NodeJS.ReadableStream });
    lines.on("line", (line) => {
      said.push(line);
      const address = line.match(/^listening on (\S+)/)?.[1];
      if (!address) return;
      clearTimeout(timer);
      found(address);
    });
  });
}
