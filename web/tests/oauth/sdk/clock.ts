// The wall clock of the service and of the clients that are programs: libfaketime reads from a file how
// far it is ahead. Time-outs stay as they are.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** libfaketime, which the step `oauth` looks for. */
export const FAKETIME = process.env.AGENTADMIT_FAKETIME;

/** How long a clock may take until it is read anew, in milliseconds; it takes one second. */
const PATIENCE = 60_000;

export class Clock {
  /** The environment of a program that goes by this clock. */
  readonly variables: Record<string, string>;
  readonly #folder = mkdtempSync(join(tmpdir(), "agentadmit-clock-"));
  readonly #file = join(this.#folder, "offset");
  #ahead = 0;

  constructor() {
    this.#set(0);
    this.variables = FAKETIME
      ? {
          LD_PRELOAD: FAKETIME,
          FAKETIME_TIMESTAMP_FILE: this.#file,
          // not at every call: a thread that asks while another one parses the file sees no offset
          FAKETIME_CACHE_DURATION: "1",
          FAKETIME_DONT_FAKE_MONOTONIC: "1",
          FAKETIME_DONT_RESET: "1",
        }
      : {};
  }

  /** The file is replaced in one step: who reads it half written would see no time. */
  #set(seconds: number) {
    this.#ahead = seconds;
    writeFileSync(`${this.#file}.new`, `+${seconds}s`);
    renameSync(`${this.#file}.new`, this.#file);
  }

  forward(seconds: number) {
    this.#set(this.#ahead + seconds);
  }

  /** Waits until somebody who goes by this clock has seen what it was set to. */
  async seenBy(now: () => Promise<number>): Promise<void> {
    const began = Date.now();
    for (;;) {
      const ahead = ((await now()) - Date.now()) / 1_000;
      if (Math.abs(ahead - this.#ahead) < 5) return;
      if (Date.now() - began > PATIENCE) throw new Error(`${ahead} s, not ${this.#ahead}`);
      await new Promise((again) => setTimeout(again, 50));
    }
  }

  end() {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** What time it is for a service: the date of its answers. */
export async function nowAt(service: string): Promise<number> {
  const answer = await fetch(`${service}/healthz`);
  await answer.body?.cancel();
  return Date.parse(answer.headers.get("date") ?? "");
}
