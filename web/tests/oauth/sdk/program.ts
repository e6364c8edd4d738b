// A client that is a program: a request is a line of JSON on its stdin, the answer one on its stdout.
// Between the two it may ask that somebody opens an address.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { environmentOf } from "../../support/world.js";
import type { Kept, McpClient, Told } from "./client.js";

interface Answer {
  open?: string;
  failed?: string;
  done?: unknown;
}

export class ProgramClient implements McpClient {
  readonly #child: ChildProcess;
  readonly #told: Told;
  readonly #errors: string[] = [];
  readonly #answers: AsyncIterator<string>;

  constructor(command: string[], told: Told, environment: Record<string, string>) {
    const [program = "", ...rest] = command;
    this.#told = told;
    this.#child = spawn(program, rest, {
      env: environmentOf(environment),
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child.stderr?.on("data", (data: Buffer) => this.#errors.push(data.toString()));
    this.#child.stdin?.on("error", () => {});
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    this.#answers = lines[Symbol.asyncIterator]();
    this.#child.once("error", (error) => this.#errors.push(error.message));
    const { server, revision, name, redirect } = told;
    this.#write({ server, revision, name, redirect });
  }

  #write(message: object) {
    this.#child.stdin?.write(`${JSON.stringify(message)}\n`);
  }

  async #ask(message: object): Promise<unknown> {
    this.#errors.length = 0;
    this.#write(message);
    for (;;) {
      const answer = await this.#next();
      if (answer.failed !== undefined) throw this.#failed(answer.failed);
      if (answer.open === undefined) return answer.done;
      // who does not come back is a person who closed the window
      const came = await this.#told.open(answer.open).catch(() => null);
      this.#write({ came });
    }
  }

  async #next(): Promise<Answer> {
    const line = await this.#answers.next();
    if (line.done) throw this.#failed("the client has ended");
    return JSON.parse(line.value);
  }

  /** With what the program has said of it. */
  #failed(why: string): Error {
    return new Error([why, ...this.#errors].join("\n"));
  }

  start() {
    return this.#ask({ do: "start" }) as Promise<string>;
  }
  tools() {
    return this.#ask({ do: "tools" }) as Promise<string[]>;
  }
  call(tool: string, given: Record<string, unknown> = {}) {
    return this.#ask({ do: "call", tool, arguments: given }) as Promise<string>;
  }
  async widen() {
    await this.#ask({ do: "widen" });
  }
  crowd(count: number) {
    return this.#ask({ do: "crowd", count }) as Promise<string[]>;
  }
  bare() {
    return this.#ask({ do: "bare" }) as Promise<string[]>;
  }
  kept() {
    return this.#ask({ do: "kept" }) as Promise<Kept>;
  }
  async now() {
    return ((await this.#ask({ do: "now" })) as number) * 1_000;
  }
  async stop() {
    await this.#ask({ do: "stop" });
  }
  end() {
    this.#child.kill("SIGKILL");
  }
}
