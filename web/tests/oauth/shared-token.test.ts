// Sessions of one agent side by side: processes that know nothing of each other, and share one refresh token.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import * as oauth from "openid-client";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch } from "../support/browser.js";
import type { World } from "../support/world.js";
import { Callback, granted, oauthWorld, person } from "./support.js";

const PROCESSES = 20;
const ROUNDS = 5;
const SCRIPT = fileURLToPath(new URL("refresher.ts", import.meta.url));
const LOCAL = { execute: [oauth.allowInsecureRequests], algorithm: "oauth2" as const };

interface Came {
  access_token: string;
  refresh_token: string;
  status: number;
}

/** A process of the operating system, and what it says. */
class Session {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  readonly #errors: string[] = [];

  constructor() {
    this.#child = spawn(process.execPath, [SCRIPT], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr.on("data", (data: Buffer) => this.#errors.push(data.toString()));
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  get pid() {
    return this.#child.pid;
  }

  /** Tells it something, and waits for what it says to that. */
  async tell<Said>(message: object): Promise<Said> {
    this.#child.stdin.write(`${JSON.stringify(message)}\n`);
    const line = await this.#lines.next();
    if (line.done) throw new Error(`a session ended: ${this.#errors.join("")}`);
    return JSON.parse(line.value);
  }

  /** Nothing more is coming: it ends by itself, and says with which code. */
  end(): Promise<number | null> {
    const ended = new Promise<number | null>((done) => this.#child.once("exit", done));
    this.#child.stdin.end();
    return ended;
  }

  kill() {
    this.#child.kill("SIGKILL");
  }
}

describe.skipIf(!hasBrowser)("sessions that share a refresh token", () => {
  let world: World;
  let browser: Browser;
  let callback: Callback;
  const sessions: Session[] = [];

  beforeAll(async () => {
    [world, browser, callback] = await Promise.all([oauthWorld(), launch(), Callback.listen()]);
  });
  afterAll(async () => {
    for (const session of sessions) session.kill();
    await browser?.close();
    callback?.close();
    world?.end();
  });

  /** A client, and the first refresh token that ada's yes gives it. */
  async function granting(): Promise<{ client_id: string; refresh_token: string }> {
    const metadata = {
      client_name: "Many sessions",
      redirect_uris: [callback.address],
      token_endpoint_auth_method: "none",
    };
    const issuer = new URL(world.service);
    const client = await oauth.dynamicClientRegistration(issuer, metadata, oauth.None(), LOCAL);
    const pkceCodeVerifier = oauth.randomPKCECodeVerifier();
    const url = oauth.buildAuthorizationUrl(client, {
      redirect_uri: callback.address,
      resource: world.shop,
      scope: "read:orders",
      code_challenge: await oauth.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
    });
    const back = await granted(await person(browser, world), callback, url);
    const answer = await oauth.authorizationCodeGrant(client, back, { pkceCodeVerifier });
    return {
      client_id: client.clientMetadata().client_id,
      refresh_token: answer.refresh_token as string,
    };
  }

  test(`${PROCESSES} processes refresh and call, ${ROUNDS} times, and all go on`, async () => {
    const { client_id, refresh_token } = await granting();
    for (let number = 0; number < PROCESSES; number += 1) sessions.push(new Session());
    expect(new Set(sessions.map((session) => session.pid)).size).toBe(PROCESSES);
    const who = { issuer: world.service, client_id, resource: world.shop };
    await Promise.all(sessions.map((session) => session.tell(who)));
    const used = new Set([refresh_token]);
    let shared = refresh_token;
    for (let round = 0; round < ROUNDS; round += 1) {
      const told = { refresh_token: shared };
      const came = await Promise.all(sessions.map((session) => session.tell<Came>(told)));
      expect(came.map((one) => one.status)).toEqual(Array(PROCESSES).fill(200));
      // whoever comes first decides, and all hear the same: nobody is left with a token of its own
      const [next, ...others] = new Set(came.map((one) => one.refresh_token));
      expect(others).toEqual([]);
      expect(new Set(came.map((one) => one.access_token)).size).toBe(1);
      expect(used.has(next as string)).toBe(false);
      used.add(next as string);
      shared = next as string;
    }
    const codes = await Promise.all(sessions.map((session) => session.end()));
    expect(codes).toEqual(Array(PROCESSES).fill(0));
    // one renewal a round was recorded, and nobody was taken for a thief
    const records = async (event: string) => {
      const path = `/v1/operator/audit?app_id=${world.appId}&event=${event}`;
      return ((await world.asOperator(path)).events as object[]).length;
    };
    expect(await records("token_refreshed")).toBe(ROUNDS);
    expect(await records("refresh_token_replayed")).toBe(0);
  });
});
