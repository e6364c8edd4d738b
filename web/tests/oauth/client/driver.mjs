// The client that MCP's conformance suite tests: `agentadmit connect`, then `agentadmit mcp-bridge`. The
// suite starts this with its server's address as the last argument, and plays the authorization server,
// which says yes to every request; `browser.mjs` goes there as a person's browser would.
//
// It is as dumb as it can be: whatever it does, the program told it to. When the bridge says that the human
// should connect (again), it connects again, until `connect` says no.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const { AGENTADMIT, MCP_CONFORMANCE_SCENARIO: scenario } = process.env;
const version = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION;
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}");
const url = process.argv.at(-1);
/** Far more than any scenario allows: what ends the rounds is the program. */
const ROUNDS = 8;
/** The metadata document of the suite's imagined client: the suite never fetches it. */
const DOCUMENT = "https://conformance-test.local/client-metadata.json";

const folder = mkdtempSync(join(tmpdir(), "agentadmit-conformance-"));
const browser = fileURLToPath(new URL("browser.mjs", import.meta.url));
const env = {
  ...process.env,
  AGENTADMIT_CREDENTIALS: join(folder, "home", "credentials.json"),
  BROWSER: `${process.execPath} ${browser}`,
};

/** Whether `connect` did it. */
function connects() {
  const more = [];
  if (context.client_id) {
    const file = join(folder, "secret");
    writeFileSync(file, context.client_secret, { mode: 0o600 });
    more.push("--client-id", context.client_id, "--client-secret-file", file);
  } else if (scenario === "auth/basic-cimd") {
    more.push("--client-id", DOCUMENT);
  }
  const child = spawn(AGENTADMIT, ["connect", url, "--browser", ...more], {
    env,
    stdio: ["ignore", "inherit", "inherit"],
  });
  return new Promise((done) => child.once("close", (code) => done(code === 0)));
}

/** An MCP client in front of the bridge. */
class Session {
  #child = spawn(AGENTADMIT, ["mcp-bridge", url], { env, stdio: ["pipe", "pipe", "inherit"] });
  #next = 1;
  #waiting = new Map();

  constructor() {
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const message = JSON.parse(line);
      console.log(line);
      this.#waiting.get(message.id)?.(message);
    });
  }

  /** From 2026-07-28 on there is no handshake: every request says who asks. */
  get isModern() {
    return version >= "2026-07-28";
  }

  send(message) {
    this.#child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }

  ask(method, params = {}) {
    const id = this.#next++;
    const asker = {
      "io.modelcontextprotocol/protocolVersion": version,
      "io.modelcontextprotocol/clientInfo": { name: "driver", version: "1.0.0" },
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    const answer = new Promise((done) => this.#waiting.set(id, done));
    this.send({ id, method, params: this.isModern ? { ...params, _meta: asker } : params });
    return answer;
  }

  /** Everything that is asked, in order, until the human is needed. */
  async plays() {
    if (this.isModern) {
      if (needsHuman(await this.ask("server/discover"))) return false;
    } else {
      const clientInfo = { name: "driver", version: "1.0.0" };
      const hello = { protocolVersion: version, capabilities: {}, clientInfo };
      if (needsHuman(await this.ask("initialize", hello))) return false;
      this.send({ method: "notifications/initialized" });
    }
    const listed = await this.ask("tools/list");
    if (needsHuman(listed)) return false;
    for (const { name } of listed.result?.tools ?? []) {
      if (needsHuman(await this.ask("tools/call", { name, arguments: {} }))) return false;
    }
    return true;
  }

  end() {
    const over = new Promise((done) => this.#child.once("close", done));
    this.#child.stdin.end();
    return over;
  }
}

function needsHuman(message) {
  return JSON.stringify(message).includes("agentadmit connect");
}

async function main() {
  for (let round = 0; round < ROUNDS; round++) {
    if (!(await connects())) return 1;
    const session = new Session();
    const isDone = await session.plays();
    await session.end();
    if (isDone) return 0;
  }
  return 1;
}

try {
  process.exitCode = await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
