// The official MCP SDKs, unmodified: each goes all the way against the example servers, for each revision
// that it speaks, while a person in Chromium decides.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch } from "../support/browser.js";
import { SCOPES, type World } from "../support/world.js";
import type { McpClient, Sdk } from "./sdk/client.js";
import { Clock, FAKETIME, nowAt } from "./sdk/clock.js";
import { SDKS } from "./sdk/sdks.js";
import { EXAMPLES, NOTES_SCOPES, PYTHON, type Running, serve } from "./sdk/servers.js";
import { Callback, granted, oauthWorld, person } from "./support.js";

const READ = /Read your notes/;
const WRITE = /Write notes/;

const LABELLED = SDKS.map((sdk) => [`${sdk.name} ${sdk.revision}`, sdk] as const);

/** A test in which time goes on. */
const timed = test.skipIf(!FAKETIME);

/** Past the ten minutes of an access token, in seconds. */
const LATER = 11 * 60;

/** An SDK that talks to an example server, and the person in front of it. */
interface Pair {
  sdk: Sdk;
  client: McpClient;
  name: string;
  /** What the person has been asked for, one text for each time. */
  asked: string[];
  /** What the person says yes to; nothing: they close the window. */
  grants: RegExp[];
}

const PAGE = fileURLToPath(new URL("../../../docs/mcp-clients.md", import.meta.url));

test.skipIf(!PYTHON)("the table in the docs says which versions and revisions were run", () => {
  const lines = readFileSync(PAGE, "utf8").split("\n");
  const heads = lines.find((line) => line.startsWith("| SDK | version |"))?.split(" | ") ?? [];
  for (const { name, version } of SDKS) {
    const [language, library] = name.split(", ");
    const row = lines.find((line) =>
      line.startsWith(`| ${language}, \`${library}\` | ${version} |`),
    );
    const cells = row?.split(" | ") ?? [];
    const run = heads.filter((head, index) => /^\d/.test(head) && cells[index] === "run");
    const ours = SDKS.filter((sdk) => sdk.name === name).map((sdk) => sdk.revision);
    expect(run, `${name} ${version}`).toEqual(ours);
  }
});

describe.skipIf(!hasBrowser || !PYTHON)("the official MCP SDKs", () => {
  let world: World;
  let browser: Browser;
  let ada: BrowserContext;
  let clock: Clock;

  beforeAll(async () => {
    clock = new Clock();
    const scopes = [...SCOPES, ...NOTES_SCOPES];
    [world, browser] = await Promise.all([
      oauthWorld({ scopes, serviceEnvironment: clock.variables }),
      launch(),
    ]);
    ada = await person(browser, world);
  });
  afterAll(async () => {
    await browser?.close();
    world?.end();
    clock?.end();
  });

  describe.each(EXAMPLES.map((it) => [it.name, it] as const))("%s", (_, example) => {
    let server: Running;
    const pairs = new Map<Sdk, Pair>();
    const callbacks: Callback[] = [];

    beforeAll(async () => {
      server = await serve(world, example);
      const resources = [
        { uri: world.shop, environment: "test" },
        { uri: server.address, environment: "test" },
      ];
      // twenty that shake hands make more calls at once than a connection may by default
      const settings = { resources, rate_limit: { per_connection_per_second: 500 } };
      await world.asOperator(`/v1/operator/apps/${world.appId}`, { settings }, "PATCH");
    });
    afterAll(() => {
      for (const pair of pairs.values()) pair.client.end();
      for (const callback of callbacks) callback.close();
      server?.end();
    });

    async function meet(sdk: Sdk): Promise<Pair> {
      const callback = await Callback.listen();
      callbacks.push(callback);
      const name = `${sdk.name} ${sdk.revision}, ${example.name}`;
      const pair: Pair = { sdk, name, asked: [], grants: [], client: undefined as never };
      const open = async (url: string) => {
        pair.asked.push(new URL(url).searchParams.get("scope") ?? "");
        if (!pair.grants.length) throw new Error("the person closed the window");
        return (await granted(ada, callback, url, pair.grants)).toString();
      };
      const { revision } = sdk;
      const told = { server: server.address, revision, name, redirect: callback.address, open };
      pair.client = sdk.make(told, clock.variables);
      pairs.set(sdk, pair);
      return pair;
    }

    function known(sdk: Sdk): Pair {
      const pair = pairs.get(sdk);
      if (!pair) throw new Error("its first story did not go well");
      return pair;
    }

    test.each(LABELLED)("%s: from a 401 to a call", async (_, sdk) => {
      const pair = await meet(sdk);
      pair.grants = [READ];
      expect(await pair.client.start()).toBe(sdk.revision);
      expect(pair.asked).toHaveLength(1);
      expect(pair.asked[0]).toContain("notes:read");
      expect(await pair.client.tools()).toContain("list_notes");
      expect(await pair.client.call("list_notes")).not.toBe("");
      expect((await pair.client.kept()).scope, "what was granted").toBe("notes:read");
    });

    test.each(LABELLED)("%s: a scope that is lacking is granted", async (_, sdk) => {
      const { client, asked, ...pair } = known(sdk);
      known(sdk).grants = [READ, WRITE];
      const write = () => client.call("add_note", { text: pair.name });
      if (!sdk.stepsUp) {
        await expect(write()).rejects.toThrow(/403|insufficient_scope/);
        expect(asked, "it asks nobody by itself").toHaveLength(1);
        await client.widen();
      }
      const number = (await write()).replace("note ", "");
      expect(asked).toHaveLength(2);
      expect(asked[1]?.split(" ").sort()).toEqual(["notes:read", "notes:write"]);
      expect(await client.call("read_note", { number: Number(number) })).toBe(pair.name);
      expect((await client.kept()).scope?.split(" ").sort()).toEqual(["notes:read", "notes:write"]);
    });

    const ended: Promise<void>[] = [];

    /** The access tokens of everybody have ended: for the first time, or for the second. */
    function accessHasEnded(times: number): Promise<void> {
      while (ended.length < times) ended.push((ended.at(-1) ?? Promise.resolve()).then(later));
      return ended[times - 1] as Promise<void>;
    }

    async function later() {
      clock.forward(LATER);
      await clock.seenBy(() => nowAt(world.service));
      for (const { sdk, client } of pairs.values()) {
        if (sdk.isProgram) await clock.seenBy(() => client.now());
      }
    }

    timed.each(LABELLED)("%s: refreshes, and asks nobody", async (_, sdk) => {
      const { client, asked } = known(sdk);
      await accessHasEnded(1);
      const before = await client.kept();
      expect(await client.call("list_notes")).toContain("1");
      const after = await client.kept();
      expect(after.access).not.toBe(before.access);
      expect(after.refresh, "rotated").not.toBe(before.refresh);
      expect(asked).toHaveLength(2);
      await client.stop();
    });

    timed.each(LABELLED)("%s: twenty start at once from one credential", async (_, sdk) => {
      const { client, asked } = known(sdk);
      await accessHasEnded(2);
      const before = await client.kept();
      if (!sdk.keepsEnough) await expect(client.bare()).rejects.toThrow("nobody can be asked");
      const said = await client.crowd(20);
      expect(said).toHaveLength(40);
      for (const text of said) expect(text).toContain("1");
      expect((await client.kept()).refresh, "rotated").not.toBe(before.refresh);
      expect(asked).toHaveLength(2);
    });

    test.each(LABELLED)("%s: what the user ends is over at the next call", async (_, sdk) => {
      const pair = known(sdk);
      if (FAKETIME) expect(await pair.client.start()).toBe(sdk.revision);
      expect(await pair.client.call("list_notes")).toContain("1");
      const { access } = await pair.client.kept();
      await end(pair.name);
      pair.grants = [];
      const before = pair.asked.length;
      const call = pair.client.call("list_notes");
      const why = await call.then(() => "it passes", String);
      expect(why).not.toBe("it passes");
      // some SDKs ask the person anew, who is gone; others tell what the server said
      if (pair.asked.length === before) expect(why).toContain("invalid_token");
      const headers = { Authorization: `Bearer ${access}`, "Content-Type": "application/json" };
      const refused = await fetch(server.address, { method: "POST", headers, body: "{}" });
      expect(refused.status).toBe(401);
      expect(refused.headers.get("www-authenticate")).toContain('error="invalid_token"');
    });

    /** The user's own page: every access of this name ends. */
    async function end(name: string) {
      const page = await ada.newPage();
      await page.goto(`${world.shop}/agentadmit`);
      const button = page.getByRole("button", { name: `End access: ${name}`, exact: true });
      await button.first().waitFor();
      for (let left = await button.count(); left > 0; left -= 1) {
        await button.first().click();
        await page.getByRole("button", { name: "Yes, end it" }).click();
        await expect.poll(() => button.count(), { timeout: 20_000 }).toBe(left - 1);
      }
      await page.close();
    }
  });
});
