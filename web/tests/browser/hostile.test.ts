// Text of the app, the user and the agent is text, wherever it stands.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch, visit } from "../support/browser.js";
import { World } from "../support/world.js";

const tag = (field: string) => `<img src=x onerror="window.hit='${field}'">{n}{what}`;
const HOSTILE = {
  name: tag("app"),
  description: tag("description"),
  category: tag("category"),
  duration: tag("duration"),
  agent: tag("agent"),
  intent: tag("intent"),
  purpose: tag("purpose"),
  user: tag("user"),
  plan: tag("plan"),
};

describe.skipIf(!hasBrowser)("hostile text", () => {
  let world: World;
  let browser: Browser;

  beforeAll(async () => {
    const scope = {
      name: "read:orders",
      description: HOSTILE.description,
      category: HOSTILE.category,
    };
    const other = { name: "a:b", description: "Harmless" };
    [world, browser] = await Promise.all([
      World.start({
        name: HOSTILE.name,
        scopes: [scope, other],
        durations: [{ label: HOSTILE.duration, seconds: 3_600 }],
        environment: "live",
        plan: {
          name: HOSTILE.plan,
          status: "active",
          call_limit: 1,
          billing_url: "https://pay.example/?q=%22%3E%3Cimg%20src=x%3E",
        },
      }),
      launch(),
    ]);
    const access = await world.connect("u_ada", HOSTILE.agent, ["read:orders"], {
      user_label: HOSTILE.user,
      user_intent: HOSTILE.intent,
      purpose: HOSTILE.purpose,
    });
    await world.call(access, "/orders");
  });
  afterAll(async () => {
    await browser?.close();
    world?.end();
  });

  async function mustBeText(page: Page, texts: string[]) {
    for (const text of texts) await page.getByText(text).first().waitFor();
    const found = await page.evaluate(() => {
      const roots: (Document | ShadowRoot)[] = [document];
      for (const element of document.querySelectorAll("*")) {
        if (element.shadowRoot) roots.push(element.shadowRoot);
      }
      const images = roots.flatMap((root) => [...root.querySelectorAll("img, script:not([src])")]);
      return { hit: (window as unknown as { hit?: string }).hit ?? null, images: images.length };
    });
    expect(found).toEqual({ hit: null, images: 0 });
  }

  test("of app, user and agent is text in the user's panel", async () => {
    const page = await visit(browser, world);
    for (const path of ["/agentadmit", "/"]) {
      await page.goto(world.shop + path);
      await page.getByRole("button", { name: /^What it did:/ }).click();
      await page.getByText("GET /orders").waitFor();
      const { plan: _plan, user: _user, ...ofUser } = HOSTILE;
      await mustBeText(page, Object.values(ofUser));
    }
    await page.getByRole("button", { name: /^End access:/ }).click();
    await mustBeText(page, [`End the access of ${HOSTILE.agent}?`]);
    await page.context().close();
  });

  test("of user, agent and plan is text in the admin's panel", async () => {
    const page = await visit(browser, world, { login: "grace" });
    await page.goto(`${world.shop}/agentadmit/admin`);
    await page.getByText("Show as a table").click();
    await page.getByRole("button", { name: /^End:/ }).click();
    await mustBeText(page, [HOSTILE.name, HOSTILE.user, HOSTILE.agent, HOSTILE.plan]);
    await page.context().close();
  });

  test("in an error of the app is not shown", async () => {
    const page = await visit(browser, world);
    await page.route("**/agentadmit/scopes", (route) =>
      route.fulfill({
        status: 418,
        json: { error: tag("code"), error_description: tag("error"), request_id: tag("id") },
      }),
    );
    await page.goto(`${world.shop}/agentadmit`);
    await page.getByText("an answer that makes no sense here").waitFor();
    await mustBeText(page, []);
    await page.context().close();
  });

  test("in an address of the plan leads nowhere", async () => {
    const page = await visit(browser, world, { login: "grace" });
    await page.route("**/admin/usage*", async (route) => {
      const answer = await route.fetch();
      const usage = await answer.json();
      usage.plan.billing_url = "javascript:window.hit='billing'";
      await route.fulfill({ response: answer, json: usage });
    });
    await page.goto(`${world.shop}/agentadmit/admin`);
    await page.getByText(HOSTILE.plan).waitFor();
    expect(await page.getByText("Look after the plan").count()).toBe(0);
    await page.context().close();
  });
});
