// The example MCP servers, each in front of the same app.
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { freePort } from "../../support/ports.js";
import { BINARIES, environmentOf, type World } from "../../support/world.js";

/** A Python that has `mcp` and our package: the step `oauth` makes one. */
export const PYTHON = process.env.AGENTADMIT_PYTHON;

/** How long a server may take until it listens, in milliseconds. */
const START = 60_000;

/** An example server: how it is started on a port, and the line that says it listens. */
export interface Example {
  /** Its folder, in which it runs. */
  name: string;
  command(port: number): string[];
  listens: RegExp;
}

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));

export const EXAMPLES: Example[] = [
  {
    name: "examples/mcp-notes",
    command: (port) => [PYTHON ?? "python3", "notes.py", "--oauth", "--http", `${port}`],
    listens: /running on http:/,
  },
  {
    name: "examples/axum-notes",
    command: (port) => [join(BINARIES, "axum-notes"), `127.0.0.1:${port}`],
    listens: /^listening on http:/,
  },
];

/** The scopes of the notes, as people read them. */
export const NOTES_SCOPES = [
  { name: "notes:read", description: "Read your notes" },
  { name: "notes:write", description: "Write notes" },
  { name: "notes:delete", description: "Delete notes for good", sensitive: true },
];

/** A server that runs: the address of its endpoint. */
export interface Running {
  address: string;
  end(): void;
}

/** Starts an example before the app of a world; its address becomes one of the app's resources. */
export async function serve(world: World, example: Example): Promise<Running> {
  const keys = `/v1/operator/apps/${world.appId}/api-keys`;
  const made = await world.asOperator(keys, { environment: "test", permissions: ["verify"] });
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const address = `${origin}/mcp`;
  const [program = "", ...rest] = example.command(port);
  const child = spawn(program, rest, {
    cwd: join(ROOT, example.name),
    env: environmentOf({
      AGENTADMIT_SERVICE_URL: world.service,
      AGENTADMIT_APP_ID: world.appId,
      AGENTADMIT_API_KEY: made.api_key as string,
      AGENTADMIT_PUBLIC_URL: origin,
      AGENTADMIT_RESOURCE: address,
    }),
    stdio: ["ignore", "ignore", "pipe"],
  });
  try {
    await listening(child, example);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  return { address, end: () => child.kill("SIGKILL") };
}

function listening(child: ChildProcess, example: Example): Promise<void> {
  return new Promise((found, failed) => {
    const said: string[] = [];
    const fail = (why: string) => failed(new Error(`${example.name} ${why}:\n${said.join("\n")}`));
    const timer = setTimeout(() => fail("does not listen"), START);
    child.once("error", () => fail("could not be started"));
    child.once("exit", (code) => fail(`ended with ${code}`));
    const lines = createInterface({ input: child.stderr as NodeJS.ReadableStream });
    lines.on("line", (line) => {
      said.push(line);
      if (!example.listens.test(line)) return;
      clearTimeout(timer);
      found();
    });
  });
}
