// `@modelcontextprotocol/conformance server` against MCP servers behind our guard: what a guard in front of a
// server must not break (handshake, sessions, headers, lists, streams, questions to the client), and what the
// server owes whoever runs it on a desk (names in `Host` and `Origin`). `contract/mcp-server-conformance.json`
// is the committed list: for each server, every scenario that the tool has for a revision is in it, with its
// checks or with the reason why it is not run.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as forward, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { freePort } from "../support/ports.js";
import { environmentOf, type Scope, World } from "../support/world.js";

export interface Result {
  scenario: string;
  revision: string;
  check: string;
  result: string;
}

/** What the tool says of one server. */
export interface Entry {
  /** Where the server is, in the tree. */
  server: string;
  /** How many checks ended how. */
  counts: Record<string, number>;
  results: Result[];
  explained: { check: string; because: string }[];
  not_run: { reason: string; scenarios: string[] }[];
}

interface List {
  tool: string;
  servers: Record<string, Entry>;
}

/** A server that is started for the tool. */
export interface Subject {
  /** Its name in the list. */
  name: string;
  scopes: Scope[];
  /** The program, and what it is given; it listens on this port of 127.0.0.1, at `/mcp`. */
  command(port: number): string[];
  /** The line of its stderr that says so. */
  listens: RegExp;
  /** Whether this machine lacks what it runs on. */
  isMissing?: boolean;
}

const LIST = fileURLToPath(
  new URL("../../../contract/mcp-server-conformance.json", import.meta.url),
);
export const COMMITTED = JSON.parse(readFileSync(LIST, "utf8")) as List;
const PACKAGE = fileURLToPath(
  new URL("../../node_modules/@modelcontextprotocol/conformance/", import.meta.url),
);
export const REVISIONS = ["2025-06-18", "2025-11-25", "2026-07-28"];
/** How long the server may take until it listens, in milliseconds. */
const START = 60_000;
/** What the tool writes down of what it sends and gets; no check. */
const LOG = ["outgoing-request", "incoming-response", "incoming-sse-event", "stream-closed"];
/** The tool waits half a second for some answers, and no longer: what differs is played again, so often. */
const AGAIN = 2;

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

export async function scenariosOf(revision: string): Promise<string[]> {
  const said = await tool(["list", "--server", "--spec-version", revision]);
  return said.flatMap((line) => line.match(/^ {2}- (\S+)/)?.[1] ?? []);
}

/** Plays some scenarios of a revision: what the tool wrote down, by scenario. */
async function play(url: string, which: string[], revision: string, scenarios: string[]) {
  const folder = mkdtempSync(join(tmpdir(), "server-conformance-"));
  const played = new Map<string, Result[]>();
  try {
    const options = ["--url", url, ...which, "--spec-version", revision];
    await tool(["server", ...options, "--output-dir", folder]);
    for (const name of readdirSync(folder)) {
      // the folder's name ends with the time
      const scenario = scenarios.find((it) => new RegExp(`^server-${it}-\\d{4}-`).test(name));
      if (!scenario) continue;
      const checks = JSON.parse(readFileSync(join(folder, name, "checks.json"), "utf8"));
      const results = (checks as { id: string; status: string }[])
        .filter(({ id, status }) => status === "FAILURE" || !LOG.includes(id))
        .map(({ id, status }) => ({ scenario, revision, check: id, result: status }));
      played.set(scenario, results);
    }
    return played;
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

/** A server that runs behind a guard, with the service that the guard asks. */
export class Running {
  readonly #world: World;
  readonly #end: (() => void)[];
  #url = "";

  private constructor(world: World) {
    this.#world = world;
    this.#end = [() => world.end()];
  }

  static async start(subject: Subject): Promise<Running> {
    const { name, scopes } = subject;
    const running = new Running(await World.start({ name, scopes }));
    try {
      await running.#begin(subject);
      return running;
    } catch (error) {
      running.end();
      throw error;
    }
  }

  async #begin(subject: Subject): Promise<void> {
    const { name, scopes } = subject;
    const world = this.#world;
    const folder = mkdtempSync(join(tmpdir(), "server-"));
    this.#end.push(() => rmSync(folder, { recursive: true, force: true }));
    const keys = `/v1/operator/apps/${world.appId}/api-keys`;
    const made = await world.asOperator(keys, { environment: "test", permissions: ["verify"] });
    const configuration = { name, service_url: world.service, app_id: world.appId, scopes };
    // JSON is YAML
    writeFileSync(join(folder, "agentadmit.yaml"), JSON.stringify(configuration));
    const port = await freePort();
    const [program = "", ...rest] = subject.command(port);
    const origin = `http://127.0.0.1:${port}`;
    const child = spawn(program, rest, {
      cwd: folder,
      env: environmentOf({
        AGENTADMIT_API_KEY: made.api_key as string,
        AGENTADMIT_PUBLIC_URL: origin,
        AGENTADMIT_RESOURCE: `${origin}/mcp`,
      }),
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#end.push(() => child.kill("SIGKILL"));
    await listening(child, subject);
    const all = scopes.map((scope) => scope.name);
    const token = await world.connect("u_ada", "Conformance", all);
    const proxy = await withToken(new URL(origin), token);
    this.#end.push(() => {
      proxy.server.close();
      proxy.server.closeAllConnections();
    });
    this.#url = proxy.url;
  }

  end() {
    for (const end of this.#end.reverse()) end();
  }

  /** Plays every scenario of a revision that is not named as one which is not run. */
  async results(entry: Entry, revision: string): Promise<Result[]> {
    const notRun = namesOf(entry);
    const all = await scenariosOf(revision);
    const played = await play(this.#url, ["--suite", "all"], revision, all);
    const results: Result[] = [];
    for (const scenario of all.filter((it) => !notRun.has(it))) {
      const expected = entry.results.filter(
        (it) => it.revision === revision && it.scenario === scenario,
      );
      let checks = played.get(scenario);
      for (let more = AGAIN; more > 0 && !isDeepStrictEqual(checks, expected); more -= 1) {
        const again = await play(this.#url, ["--scenario", scenario], revision, [scenario]);
        checks = again.get(scenario);
      }
      if (!checks) throw new Error(`${scenario} has left nothing`);
      results.push(...checks);
    }
    return results;
  }
}

/** The scenarios that are not run. */
export function namesOf(entry: Entry): Set<string> {
  return new Set(entry.not_run.flatMap((it) => it.scenarios));
}

/** The tool, and its version. */
export function pinned(): string {
  const { name, version } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"));
  return `${name} ${version}`;
}

/** Waits until a server says that it listens. */
function listening(child: ChildProcess, subject: Subject): Promise<void> {
  return new Promise((found, failed) => {
    const said: string[] = [];
    const fail = (why: string) => failed(new Error(`${subject.name} ${why}:\n${said.join("\n")}`));
    const timer = setTimeout(() => fail("does not listen"), START);
    child.once("error", () => fail("could not be started"));
    child.once("exit", (code) => fail(`ended with ${code}`));
    const lines = createInterface({ input: child.stderr as NodeJS.ReadableStream });
    lines.on("line", (line) => {
      said.push(line);
      if (!subject.listens.test(line)) return;
      clearTimeout(timer);
      found();
    });
  });
}
