// Every view of the dashboard: axe-core finds nothing, nothing scrolls sideways, the policy holds, in
// light and dark, on phone and desktop, in English and Arabic; and what others wrote is text.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch } from "../support/browser.js";
import { enter, isServed, LOOKS, mustBeGood, open } from "../support/dashboard.js";
import { World } from "../support/world.js";

const tag = (name: string) => `<img src=x onerror="window.hit='${name}'">`;

/** Eighteen views, each looked at by axe: how long that may take, in milliseconds. */
const LONG = 600_000;

const HOSTILE = {
  app: tag("app"),
  scope: tag("scope"),
  category: tag("category"),
  user: tag("user"),
  label: tag("label"),
  agent: tag("agent"),
  intent: tag("intent"),
  purpose: tag("purpose"),
  plan: tag("plan"),
};

describe.skipIf(!hasBrowser || !isServed)("every view", () => {
  let world: World;
  let browser: Browser;
  let connection: string;

  beforeAll(async () => {
    const scopes = [
      { name: "read:orders", description: HOSTILE.scope, category: HOSTILE.category },
      { name: "create:refunds", description: "Money", sensitive: true },
    ];
    const plan = {
      name: HOSTILE.plan,
      status: "active",
      call_limit: 1,
      billing_url: "https://pay.example",
    };
    [world, browser] = await Promise.all([
      World.start({ environment: "live", name: HOSTILE.app, scopes, plan }),
      launch(),
    ]);
    const access = await world.connect(HOSTILE.user, HOSTILE.agent, ["read:orders"], {
      user_label: HOSTILE.label,
      user_intent: HOSTILE.intent,
      purpose: HOSTILE.purpose,
    });
    await world.call(access, "/orders");
    await world.call(access, "/orders");
    await world.call(access, "/refunds", "POST");
    const list = await world.asOperator("/v1/operator/connections");
    connection = (list.connections as { connection_id: string }[])[0]?.connection_id as string;
  });
  afterAll(async () => {
    await browser?.close();
    world?.end();
  });

  const person = () => `/people?user=${encodeURIComponent(HOSTILE.user)}`;
  const views = (): [path: string, wanted: string][] => [
    ["", ".figures"],
    ["/apps", ".row-link"],
    ["/apps/new", "form"],
    [`/apps/${world.appId}`, ".chart"],
    [`/apps/${world.appId}/keys`, "table"],
    [`/apps/${world.appId}/scopes`, "table"],
    [`/apps/${world.appId}/connections`, "table"],
    [`/apps/${world.appId}/activity`, ".events"],
    [`/apps/${world.appId}/plan`, "form"],
    [`/apps/${world.appId}/settings`, "form"],
    ["/connections", "table"],
    ["/connections?status=pending", ".empty"],
    [`/connections/${connection}`, ".facts"],
    [person(), "table"],
    ["/audit", ".events"],
    ["/plans", "table"],
    ["/sessions", "table"],
    ["/nowhere", ".empty"],
  ];

  async function mustBeText(page: Page, what: string) {
    const found = await page.evaluate(() => ({
      hit: (window as unknown as { hit?: string }).hit ?? null,
      images: document.querySelectorAll("img, script:not([src]), [onerror]").length,
    }));
    expect(found, what).toEqual({ hit: null, images: 0 });
  }

  test.each(LOOKS)(
    "$theme $viewport.width $locale",
    async (look) => {
      const [first] = await open(browser, look);
      await first.goto(`${world.service}/dashboard`);
      await first.locator("form").waitFor();
      await mustBeGood(first, "sign-in");
      await first.context().close();

      const [page, said] = await enter(browser, world, "", look);
      for (const [path, wanted] of views()) {
        await page.goto(`${world.service}/dashboard${path}`);
        await page.locator(`#main ${wanted}`).first().waitFor();
        await page.evaluate(() => {
          for (const it of document.querySelectorAll<HTMLDetailsElement>("#main details"))
            it.open = true;
        });
        await mustBeGood(page, path);
        await mustBeText(page, path);
      }
      expect(said, "nothing is wrong with the page or its policy").toEqual([]);
      await page.context().close();
    },
    LONG,
  );

  test("dialogs, the menu of a phone, and a secret that is shown once", async () => {
    const look = LOOKS[1];
    const [page, said] = await enter(browser, world, `/apps/${world.appId}/keys`, look);
    await page.getByRole("button", { name: "Menu" }).click();
    await page.getByRole("link", { name: "Sessions" }).waitFor();
    await mustBeGood(page, "the menu");
    await page.getByRole("button", { name: "Menu" }).click();
    await page.getByRole("button", { name: "Create a key" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    await mustBeGood(page, "a new key");
    await dialog.getByRole("button", { name: "Create a key" }).click();
    await dialog.getByLabel("API key").waitFor();
    await mustBeGood(page, "a key");
    await dialog.getByRole("button", { name: "I have stored it" }).click();
    await page.goto(`${world.service}/dashboard/connections/${connection}`);
    await page.getByRole("button", { name: "Change" }).click();
    await dialog.waitFor();
    await mustBeGood(page, "less");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "End access" }).click();
    await mustBeGood(page, "the end");
    await mustBeText(page, "the question");
    await page.goto(`${world.service}/dashboard/apps/${world.appId}/settings`);
    await page.getByRole("button", { name: "Delete this app" }).click();
    await dialog.getByRole("button", { name: "Yes, delete the app" }).click();
    await dialog.getByText("That is not the same text.").waitFor();
    await mustBeGood(page, "the end of an app");
    await mustBeText(page, "the end of an app");
    expect(said).toEqual([]);
    await page.context().close();
  });

  test("an address of a plan that runs a script leads nowhere", async () => {
    const [page] = await enter(browser, world);
    await page.route("**/usage*", async (route) => {
      const answer = await route.fetch();
      const usage = await answer.json();
      usage.plan.billing_url = "javascript:window.hit='billing'";
      await route.fulfill({ response: answer, json: usage });
    });
    await page.goto(`${world.service}/dashboard/apps/${world.appId}`);
    await page.locator(".meter").waitFor();
    expect(await page.getByText("Look after the plan").count()).toBe(0);
    await page.context().close();
  });
});
