// `@modelcontextprotocol/conformance authorization` for each revision of MCP that the service speaks. The
// tool exits with 0 when it skips a scenario, so the results are compared with a list that is committed:
// `contract/oauth-conformance.json`.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch } from "../support/browser.js";
import { freePort } from "../support/ports.js";
import type { World } from "../support/world.js";
import { allow, oauthWorld, person, toConsent } from "./support.js";

interface Result {
  scenario: string;
  revision: string;
  check: string;
  result: string;
}

const LIST = fileURLToPath(new URL("../../../contract/oauth-conformance.json", import.meta.url));
const COMMITTED = JSON.parse(readFileSync(LIST, "utf8")) as { tool: string; results: Result[] };
const PACKAGE = fileURLToPath(
  new URL("../../node_modules/@modelcontextprotocol/conformance/", import.meta.url),
);
const REVISIONS = ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

/** The scenarios that the tool itself has for a revision. */
async function scenariosOf(revision: string): Promise<string[]> {
  const said = await run(["list", "--authorization", "--spec-version", revision], () => {});
  return said.flatMap((line) => line.match(/^ {2}- (\S+)/)?.[1] ?? []);
}

/** Runs the tool to its end: the lines that it said. */
function run(options: string[], heard: (line: string) => void): Promise<string[]> {
  const program = join(PACKAGE, "dist/index.js");
  const child = spawn(process.execPath, [program, ...options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const said: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    said.push(line);
    heard(line);
  });
  return new Promise((done, failed) => {
    child.once("error", failed);
    child.once("close", () => done(said));
  });
}

/** The checks that the tool wrote down, by the folder of their scenario. */
function resultsIn(folder: string, revision: string, scenarios: string[]): Result[] {
  return readdirSync(folder).flatMap((name) => {
    const scenario = scenarios.find((it) => name.includes(it));
    if (!scenario) throw new Error(`a result of no scenario: ${name}`);
    const checks = JSON.parse(readFileSync(join(folder, name, "checks.json"), "utf8"));
    return (checks as { id: string; status: string }[]).map((check) => ({
      scenario,
      revision,
      check: check.id,
      result: check.status,
    }));
  });
}

describe.skipIf(!hasBrowser)("the conformance suite of MCP", () => {
  let world: World;
  let browser: Browser;
  let ada: BrowserContext;

  beforeAll(async () => {
    [world, browser] = await Promise.all([oauthWorld(), launch()]);
    ada = await person(browser, world);
  });
  afterAll(async () => {
    await browser?.close();
    world?.end();
  });

  async function register(redirect: string): Promise<string> {
    const answer = await fetch(`${world.service}/oauth/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        client_name: "Conformance",
        redirect_uris: [redirect],
        token_endpoint_auth_method: "none",
      }),
    });
    expect(answer.status).toBe(201);
    return ((await answer.json()) as { client_id: string }).client_id;
  }

  test("the pinned version is the one of the list", () => {
    const { version } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"));
    expect(COMMITTED.tool).toBe(`@modelcontextprotocol/conformance ${version}`);
  });

  test.each(REVISIONS)("every scenario of %s, and none is skipped", async (revision) => {
    const scenarios = await scenariosOf(revision);
    expect(scenarios.length).toBeGreaterThan(0);
    const port = await freePort();
    const client = await register(`http://127.0.0.1:${port}/callback`);
    const folder = mkdtempSync(join(tmpdir(), "conformance-"));
    const visits: Promise<void>[] = [];
    try {
      const options = ["--url", world.service, "--client-id", client, "--resource", world.shop];
      await run(
        [
          "authorization",
          ...options,
          "--port",
          `${port}`,
          "--spec-version",
          revision,
          "--output-dir",
          folder,
        ],
        (line) => {
          if (line.startsWith(`${world.service}/oauth/authorize?`)) visits.push(say_yes(line));
        },
      );
      await Promise.all(visits);
      const results = resultsIn(folder, revision, scenarios);
      expect(new Set(results.map((it) => it.scenario))).toEqual(new Set(scenarios));
      expect(results.filter((it) => it.result !== "SUCCESS")).toEqual([]);
      expect(results).toEqual(COMMITTED.results.filter((it) => it.revision === revision));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  async function say_yes(url: string): Promise<void> {
    const page = await toConsent(ada, url);
    await allow(page, [/See your orders/]);
    await page.getByText("You can close this page").waitFor();
    await page.close();
  }

  test("the list names every revision", () => {
    expect([...new Set(COMMITTED.results.map((it) => it.revision))]).toEqual(REVISIONS);
    expect(COMMITTED.results.filter((it) => it.result !== "SUCCESS")).toEqual([]);
  });
});
