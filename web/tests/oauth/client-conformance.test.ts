// `@modelcontextprotocol/conformance client`: every authorization scenario of each revision of MCP against
// our own client, `agentadmit connect` and `agentadmit mcp-bridge`. The results are compared with a list
// that is committed: `contract/mcp-client-conformance.json`. `WRITE_CONFORMANCE=1` writes it anew.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { BINARIES } from "../support/world.js";

interface Result {
  scenario: string;
  revision: string;
  check: string;
  result: string;
}

const LIST = fileURLToPath(
  new URL("../../../contract/mcp-client-conformance.json", import.meta.url),
);
const COMMITTED = JSON.parse(readFileSync(LIST, "utf8")) as {
  about: string;
  tool: string;
  results: Result[];
};
const PACKAGE = fileURLToPath(
  new URL("../../node_modules/@modelcontextprotocol/conformance/", import.meta.url),
);
const DRIVER = fileURLToPath(new URL("client/driver.mjs", import.meta.url));
const REVISIONS = ["2025-06-18", "2025-11-25", "2026-07-28"];
/** How many scenarios run at a time: each waits for processes most of the time. */
const AT_ONCE = 3;

/** Runs the tool to its end: its exit code and what it said. */
function run(options: string[]): Promise<{ code: number | null; said: string }> {
  const program = join(PACKAGE, "dist/index.js");
  const child = spawn(process.execPath, [program, ...options], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, AGENTADMIT: join(BINARIES, "agentadmit") },
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data) => {
      said += data;
    });
  }
  return new Promise((done, failed) => {
    child.once("error", failed);
    child.once("close", (code) => done({ code, said }));
  });
}

/** The authorization scenarios that the tool itself has for a revision; extensions are not among them. */
async function scenariosOf(revision: string): Promise<string[]> {
  const { said } = await run(["list", "--client", "--spec-version", revision]);
  return said.split("\n").flatMap((line) => line.match(/^ {2}- (auth\/\S+)/)?.[1] ?? []);
}

/** What the tool checked in a scenario, each check once; what it only noted is left out. */
async function play(scenario: string, revision: string): Promise<Result[]> {
  const folder = mkdtempSync(join(tmpdir(), "conformance-"));
  try {
    const command = `${process.execPath} ${DRIVER}`;
    const asked = ["--command", command, "--scenario", scenario, "--spec-version", revision];
    const { code, said } = await run([
      "client",
      ...asked,
      "--timeout",
      "120000",
      "--output-dir",
      folder,
    ]);
    expect(code, said).toBe(0);
    const files = readdirSync(folder, { recursive: true }).map(String);
    const found = files.filter((name) => name.endsWith("checks.json"));
    expect(found.length, `${scenario} was skipped:\n${said}`).toBe(1);
    const checks = JSON.parse(readFileSync(join(folder, found[0] ?? ""), "utf8"));
    const results = new Map<string, Result>();
    for (const { id, status } of checks as { id: string; status: string }[]) {
      if (status === "INFO") continue;
      results.set(`${id} ${status}`, { scenario, revision, check: id, result: status });
    }
    expect(results.size, said).toBeGreaterThan(0);
    return [...results.values()].sort((one, other) => (one.check < other.check ? -1 : 1));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function all(revision: string): Promise<Result[]> {
  const scenarios = await scenariosOf(revision);
  expect(scenarios.length).toBeGreaterThan(0);
  const results = new Map<string, Result[]>();
  const left = [...scenarios];
  const worker = async () => {
    for (let scenario = left.shift(); scenario; scenario = left.shift()) {
      results.set(scenario, await play(scenario, revision));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return scenarios.flatMap((scenario) => results.get(scenario) ?? []);
}

describe("the conformance suite of MCP, for clients", () => {
  test("the pinned version is the one of the list", () => {
    const { version } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"));
    expect(COMMITTED.tool).toBe(`@modelcontextprotocol/conformance ${version}`);
  });

  test.each(REVISIONS)(
    "every authorization scenario of %s",
    { timeout: 900_000 },
    async (revision) => {
      const results = await all(revision);
      if (process.env.WRITE_CONFORMANCE) {
        COMMITTED.results = COMMITTED.results.filter((it) => it.revision !== revision);
        COMMITTED.results.push(...results);
        const rows = COMMITTED.results.map((it) => `    ${JSON.stringify(it)}`).join(",\n");
        const { about, tool } = COMMITTED;
        const head = `{\n  "about": ${JSON.stringify(about)},\n  "tool": ${JSON.stringify(tool)},\n`;
        writeFileSync(LIST, `${head}  "results": [\n${rows}\n  ]\n}\n`);
      }
      expect(results.filter((it) => it.result !== "SUCCESS")).toEqual([]);
      expect(results).toEqual(COMMITTED.results.filter((it) => it.revision === revision));
    },
  );

  test("the list names every revision, and no failure", () => {
    expect([...new Set(COMMITTED.results.map((it) => it.revision))]).toEqual(REVISIONS);
    expect(COMMITTED.results.filter((it) => it.result !== "SUCCESS")).toEqual([]);
  });
});
