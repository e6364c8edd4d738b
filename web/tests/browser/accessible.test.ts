// axe-core finds nothing, in any state of any page, light and dark, phone and desktop, English and
// Arabic; and no page breaks its own policy or scrolls sideways.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch, mustBeAccessible, VIEWPORTS, visit } from "../support/browser.js";
import { World } from "../support/world.js";

const LOOKS = [
  { theme: "light", viewport: VIEWPORTS.desktop, locale: "en-GB" },
  { theme: "dark", viewport: VIEWPORTS.phone, locale: "en-GB" },
  { theme: "light", viewport: VIEWPORTS.phone, locale: "ar" },
  { theme: "dark", viewport: VIEWPORTS.desktop, locale: "ar" },
] as const;

describe.skipIf(!hasBrowser)("every page", () => {
  let world: World;
  let browser: Browser;

  beforeAll(async () => {
    const plan = {
      name: "Business",
      status: "active",
      call_limit: 100,
      billing_url: "https://pay.example",
    };
    [world, browser] = await Promise.all([World.start({ environment: "live", plan }), launch()]);
    const access = await world.connect("u_ada", "Baker", ["read:orders", "create:refunds"], {
      user_label: "Ada",
      user_intent: "Bread",
    });
    await world.call(access, "/orders");
    await world.call(await world.connect("u_ada", "Porter", ["read:orders"]), "/refunds", "POST");
    const ended = await world.asApp(`/v1/apps/${world.appId}/token`, {
      user_id: "u_ada",
      scopes: ["read:orders"],
    });
    await world.asApp("/v1/revoke", { connection_id: ended.connection_id });
  });
  afterAll(async () => {
    await browser?.close();
    world?.end();
  });

  async function mustBeGood(page: Page, what: string) {
    await mustBeAccessible(page, what);
    const [inner, outer] = await page.evaluate(() => [
      document.documentElement.scrollWidth,
      document.documentElement.clientWidth,
    ]);
    expect(inner, `${what} scrolls sideways`).toBe(outer);
  }

  test.each(LOOKS)("of the user: $theme $viewport.width $locale", async (look) => {
    const page = await visit(browser, world, look);
    const said: string[] = [];
    page.on("console", (message) => said.push(message.text()));
    page.on("pageerror", (error) => said.push(error.message));
    await page.goto(`${world.shop}/agentadmit`);
    const submit = page.locator("button[type=submit]");
    const row = page.getByRole("listitem", { name: "Baker" });
    await row.waitFor();
    await mustBeGood(page, "the panel");
    await submit.click();
    await page.locator("legend").first().click();
    for (const box of await page.getByRole("checkbox").all()) await box.check();
    const buttons = row.locator(":scope > .aa-actions > button");
    for (const [index, state] of ["activity", "change", "end"].entries()) {
      await buttons.nth(index).click();
      await row.locator(".aa-events > li, .aa-inner, .aa-confirm").first().waitFor();
      await mustBeGood(page, state);
    }
    await page.locator(".aa-section > .aa-details > summary").click();
    await submit.first().click();
    await page.locator("textarea").waitFor();
    await page.locator(".aa-hand-over summary").click();
    await mustBeGood(page, "the token");
    expect(said, "nothing is wrong with the page or its policy").toEqual([]);
    await page.context().close();
  });

  test.each(LOOKS)("of the admin: $theme $viewport.width $locale", async (look) => {
    const page = await visit(browser, world, { ...look, login: "grace" });
    const said: string[] = [];
    page.on("console", (message) => said.push(message.text()));
    page.on("pageerror", (error) => said.push(error.message));
    await page.goto(`${world.shop}/agentadmit/admin`);
    await page.getByRole("rowheader", { name: /Baker/ }).waitFor();
    await page.locator(".aa-events > li").first().waitFor();
    await page.locator(".aa-details > summary").click();
    await page.locator(".aa-cards .aa-quiet-danger").first().click();
    await mustBeGood(page, "the admin's panel");
    expect(said).toEqual([]);
    await page.context().close();
  });

  test("errors, a signed-out user, and the shop around the panel", async () => {
    const page = await visit(browser, world);
    await page.getByRole("listitem", { name: "Baker" }).waitFor();
    await mustBeGood(page, "the shop");
    await page.route("**/agentadmit/scopes", (route) => route.abort());
    await page.goto(`${world.shop}/agentadmit`);
    await page.getByRole("alert").first().waitFor();
    await mustBeGood(page, "an error");
    await page.context().clearCookies();
    await page.goto(`${world.shop}/agentadmit`);
    await mustBeGood(page, "signed out");
    await page.context().close();
  });
});
