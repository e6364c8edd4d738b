// The hosted consent page: by mouse, by keyboard alone, without scripts, on a phone and a desktop, in
// English and Arabic; and that nothing of the token is left behind.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch, mustBeAccessible, VIEWPORTS } from "../support/browser.js";
import { APP, BACK, come, stranger } from "../support/consent.js";
import { World } from "../support/world.js";

const LOOKS = [
  { theme: "light", viewport: VIEWPORTS.desktop, locale: "en-GB" },
  { theme: "dark", viewport: VIEWPORTS.phone, locale: "en-GB" },
  { theme: "light", viewport: VIEWPORTS.phone, locale: "ar" },
  { theme: "dark", viewport: VIEWPORTS.desktop, locale: "ar" },
] as const;

const TASK = { name: "Parcel", text: "Tell me where {what} is.", scopes: ["read:orders"] };

describe.skipIf(!hasBrowser)("the consent page", () => {
  let world: World;
  let browser: Browser;

  beforeAll(async () => {
    [world, browser] = await Promise.all([World.start({ environment: "live" }), launch()]);
    await world.returnTo(BACK);
    await world.connect("u_ada", "Baker", ["read:orders"], { user_label: "Ada" });
  });
  afterAll(async () => {
    await browser?.close();
    world?.end();
  });

  const scope = (page: Page, name: RegExp) => page.getByRole("checkbox", { name });

  /** The token on the page opens what was chosen, once. */
  async function mustOpen(page: Page, path: string, status: number) {
    const token = await page.getByRole("textbox", { name: "The token alone" }).inputValue();
    const access = await world.exchange(token, "Tester");
    expect(await world.call(access, path)).toBe(status);
    return token;
  }

  async function mustBeGood(page: Page, what: string) {
    await mustBeAccessible(page, what);
    const [inner, outer] = await page.evaluate(() => [
      document.documentElement.scrollWidth,
      document.documentElement.clientWidth,
    ]);
    expect(inner, `${what} scrolls sideways`).toBe(outer);
  }

  test("by mouse, from another site and back", async () => {
    const context = await stranger(browser);
    const said: string[] = [];
    const page = await come(context, world, { return_url: BACK, prompt_templates: [TASK] });
    page.on("console", (message) => said.push(message.text()));
    expect(page.url(), "an address without the code").not.toContain("code=");
    await scope(page, /See your orders/).check();
    await page.getByRole("radio", { name: "1 week" }).check();
    await page.getByLabel(/What do you call this agent/).fill("Porter");
    await page.getByRole("radio", { name: "Parcel" }).check();
    await page.getByLabel("what", { exact: true }).fill("my bread");
    await page.getByRole("button", { name: "Allow", exact: true }).click();
    await page.getByRole("heading", { name: "Hand this to your agent" }).waitFor();
    const message = await page
      .getByRole("textbox", { name: "Message for your agent" })
      .inputValue();
    expect(message).toContain(`Address: ${APP}\n`);
    expect(message.endsWith("To begin with: Tell me where my bread is.")).toBe(true);
    const token = await mustOpen(page, "/orders", 200);
    expect(message).toContain(token);
    expect(page.url()).not.toContain(token);

    await page.getByRole("link", { name: "Go back to Corner shop" }).click();
    await page.getByRole("heading", { name: "Shop", exact: true }).waitFor();
    const back = new URL(page.url());
    expect([...back.searchParams.keys()]).toEqual(["session_id", "result"]);
    expect(back.searchParams.get("result")).toBe("granted");
    // coming back, and loading anew: no token
    await page.goBack();
    expect(await page.content()).not.toContain("ag_ct_");
    await page.goto(page.url());
    await page.getByRole("heading", { name: "You have allowed it" }).waitFor();
    expect(await page.content()).not.toContain("ag_ct_");
    expect(said, "nothing is wrong with the page or its policy").toEqual([]);
    await context.close();
  });

  test("by keyboard alone", async () => {
    const context = await stranger(browser);
    const page = await come(context, world, { return_url: BACK, scopes: ["read:orders"] });
    const until = async (found: () => Promise<boolean>) => {
      for (let press = 0; press < 40; press++) {
        await page.keyboard.press("Tab");
        if (await found()) return;
      }
      throw new Error("the keyboard does not get there");
    };
    const isAt = (selector: string) => () =>
      page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector);
    await until(isAt("input[type=checkbox]"));
    await page.keyboard.press("Space");
    await until(isAt("#agent_label"));
    await page.keyboard.type("Typist");
    await page.keyboard.press("Enter");
    await expect(page.locator("form").count(), "Enter in a field decides nothing").resolves.toBe(1);
    await until(isAt("button[value=grant]"));
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Hand this to your agent" }).waitFor();
    await mustOpen(page, "/orders", 200);
    await context.close();
  });

  test("without scripts", async () => {
    const context = await stranger(browser, { script: false });
    const page = await come(context, world, { return_url: BACK });
    await page.getByRole("button", { name: "Allow", exact: true }).click();
    await page.getByRole("heading", { name: "There is a problem" }).waitFor();
    await page.getByRole("link", { name: "Choose at least one thing" }).click();
    expect(page.url()).toContain("#scopes");
    await scope(page, /See your orders/).check();
    await page.getByRole("button", { name: "Allow", exact: true }).click();
    await page.getByRole("heading", { name: "Hand this to your agent" }).waitFor();
    await mustOpen(page, "/orders", 200);
    await page.getByRole("link", { name: "Go back to Corner shop" }).click();
    await page.getByRole("heading", { name: "Shop", exact: true }).waitFor();
    await context.close();
  });

  test("moments are in the zone of whoever reads, and without scripts in UTC", async () => {
    for (const [script, wanted] of [
      [true, /^Until \w+,? \d+ \w+ \d{4}.* \d\d:\d\d GMT\+9$/],
      [false, /^Until \w+ \d+ \w+ \d{4}, \d\d:\d\d UTC$/],
    ] as const) {
      const context = await stranger(browser, { script, zone: "Asia/Tokyo" });
      const page = await come(context, world, { return_url: BACK });
      const hint = page.locator("#duration-3600-hint");
      await hint.filter({ hasText: wanted }).waitFor();
      const moment = await hint.locator("time").getAttribute("datetime");
      expect(Date.parse(moment ?? ""), "an hour from now").toBeGreaterThan(Date.now() + 3_000_000);
      await context.close();
    }
  });

  test("a no is one press, and leads back", async () => {
    const context = await stranger(browser);
    const page = await come(context, world, { return_url: BACK });
    await page.getByRole("button", { name: "Do not allow" }).click();
    await page.getByRole("heading", { name: "Shop", exact: true }).waitFor();
    expect(new URL(page.url()).searchParams.get("result")).toBe("denied");
    await context.close();
  });

  test("a second browser, and the same one again", async () => {
    const url = await world.askConsent({ user_id: "u_ada" });
    const [first, second] = [await stranger(browser), await stranger(browser)];
    const own = await first.newPage();
    await own.goto(url);
    await own.locator("form").waitFor();
    const other = await second.newPage();
    for (const address of [url, own.url()]) {
      await other.goto(address);
      await other.getByRole("heading", { name: "This page is open elsewhere" }).waitFor();
    }
    await own.goto(url);
    await own.locator("form").waitFor();
    await first.close();
    await second.close();
  });

  test("the page cannot be framed", async () => {
    const context = await stranger(browser);
    const page = await context.newPage();
    const url = await world.askConsent({ user_id: "u_ada" });
    await context.route(`${APP}/**`, (route) =>
      route.fulfill({ contentType: "text/html", body: `<iframe src="${url}"></iframe>` }),
    );
    await page.goto(`${APP}/frame`);
    // the browser's own page about what it does not show
    await page.frameLocator("iframe").locator("body.neterror").waitFor({ state: "attached" });
    expect(await page.frameLocator("iframe").locator("form").count()).toBe(0);
    await context.close();
  });

  test("more is asked side by side, and the agent keeps its token", async () => {
    const access = await world.connect("u_ada", "Clerk", ["read:orders"]);
    expect(await world.call(access, "/refunds", "POST")).toBe(403);
    const list = await world.asApp("/v1/connections?user_id=u_ada&limit=1");
    const [connection] = list.connections as { connection_id: string }[];
    const context = await stranger(browser);
    const page = await come(context, world, {
      user_label: undefined,
      connection_id: connection?.connection_id,
      add_scopes: ["create:refunds"],
      return_url: BACK,
    });
    await page.getByText("It is about this agent: Clerk.").waitFor();
    await mustBeGood(page, "more");
    expect(await scope(page, /Ask for your money back/).isChecked(), "sensitive").toBe(false);
    await scope(page, /Ask for your money back/).check();
    await page.getByRole("button", { name: "Allow", exact: true }).click();
    await page.getByRole("heading", { name: "The agent may do more now" }).waitFor();
    expect(await page.content()).not.toContain("ag_ct_");
    await mustBeGood(page, "more was allowed");
    expect(await world.call(access, "/refunds", "POST")).toBe(200);
    await context.close();
  });

  test.each(LOOKS)("is accessible: $theme $viewport.width $locale", async (look) => {
    const context = await stranger(browser, look);
    const said: string[] = [];
    const page = await come(context, world, {
      return_url: BACK,
      purpose: "Plan the week",
      prompt_templates: [TASK],
    });
    page.on("console", (message) => said.push(message.text()));
    page.on("pageerror", (error) => said.push(error.message));
    await page.locator("details > summary").click();
    await mustBeGood(page, "the question");
    await page.locator("button[value=grant]").click();
    await page.locator(".mistakes").waitFor();
    await mustBeGood(page, "mistakes");
    // the answer to a mistake is a 422, which the console tells
    said.length = 0;
    await page.locator("input[value='read:orders']").check();
    await page.locator("button[value=grant]").click();
    await page.locator("#token").waitFor();
    await mustBeGood(page, "the token");
    await page.locator(".copy").first().waitFor();
    await page.goto(page.url());
    await mustBeGood(page, "afterwards");
    expect(said, "nothing is wrong with the page or its policy").toEqual([]);
    await context.close();
  });
});
