// authlib, in Python: `authlib_client.py` is the client, and says which address a person must open.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch } from "../support/browser.js";
import type { World } from "../support/world.js";
import { allow, Callback, granted, oauthWorld, person, toConsent } from "./support.js";

/** A Python that has authlib: the step `oauth` makes one. */
const PYTHON = process.env.AGENTADMIT_PYTHON;
const SCRIPT = fileURLToPath(new URL("authlib_client.py", import.meta.url));

describe.skipIf(!hasBrowser || !PYTHON)("authlib", () => {
  let world: World;
  let browser: Browser;
  let ada: BrowserContext;
  let callback: Callback;

  beforeAll(async () => {
    [world, browser, callback] = await Promise.all([oauthWorld(), launch(), Callback.listen()]);
    ada = await person(browser, world);
  });
  afterAll(async () => {
    await browser?.close();
    callback?.close();
    world?.end();
  });

  /** A person follows the client's link, and says yes. */
  async function open(url: string): Promise<string> {
    if (!url.includes("/oauth/device")) return (await granted(ada, callback, url)).toString();
    const page = await toConsent(ada, url);
    await allow(page, [/See your orders/]);
    await page.getByRole("heading", { name: "The device may begin" }).waitFor();
    await page.close();
    return url;
  }

  test("code, pushed code, refresh, introspection, revocation, device", async () => {
    const keys = `/v1/operator/apps/${world.appId}/api-keys`;
    const made = await world.asOperator(keys, { environment: "test", permissions: ["verify"] });
    const child = spawn(PYTHON as string, [SCRIPT], { stdio: ["pipe", "pipe", "pipe"] });
    const errors: string[] = [];
    child.stderr.on("data", (data: Buffer) => errors.push(data.toString()));
    const say = (message: object) => child.stdin.write(`${JSON.stringify(message)}\n`);
    say({
      resource: world.shop,
      redirect_uri: callback.address,
      app_id: world.appId,
      api_key: made.api_key,
    });
    let done = false;
    for await (const line of createInterface({ input: child.stdout })) {
      const said = JSON.parse(line);
      if (said.open) say({ came: await open(said.open) });
      else done = said.done === true;
    }
    expect(done, errors.join("")).toBe(true);
  });
});
