// Takes the pictures of the docs, with time and names that do not change.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { choose, launch, VIEWPORTS, visit } from "./support/browser.js";
import { BACK, come, stranger } from "./support/consent.js";
import { takeDashboard } from "./support/dashboard-pictures.js";
import { takeDevelopers } from "./support/developer-pictures.js";
import { World } from "./support/world.js";

const FOLDER =
  process.env.SCREENSHOTS ?? fileURLToPath(new URL("../../docs/images", import.meta.url));

/** Thirty days of a shop that does well: what a picture shows is not what a test found. */
function series(to: Date) {
  return Array.from({ length: 30 }, (_, ago) => {
    const day = new Date(to.getTime() - ago * 86_400_000);
    const busy = 60 + Math.round(40 * Math.sin(ago / 2.3)) + ((ago * 37) % 29);
    const calls = day.getUTCDay() % 6 === 0 ? Math.round(busy / 3) : busy;
    return { day: day.toISOString().slice(0, 10), allowed: calls, refused: ago % 5 === 0 ? 6 : 0 };
  }).reverse();
}

test("screenshots", async () => {
  mkdirSync(FOLDER, { recursive: true });
  const plan = {
    name: "Business",
    status: "active",
    call_limit: 5_000,
    billing_url: "https://pay.example/plan",
  };
  const [world, browser] = await Promise.all([
    World.start({ environment: "live", plan }),
    launch(),
  ]);
  const take = (page: Page, name: string) =>
    page.screenshot({ path: join(FOLDER, `${name}.png`), fullPage: true, animations: "disabled" });
  try {
    const baker = await world.connect("u_ada", "Baker", ["read:orders", "track:orders"], {
      user_label: "Ada",
      user_intent: "Tell me when my parcel comes",
      duration_seconds: 604_800,
    });
    for (let call = 0; call < 3; call++) await world.call(baker, "/orders");
    await world.call(baker, "/refunds", "POST");
    const clerk = await world.connect("u_grace", "Clerk", ["read:orders"], { user_label: "Grace" });
    await world.call(clerk, "/orders");

    for (const theme of ["light", "dark"] as const) {
      const user = await visit(browser, world, { theme, viewport: { width: 800, height: 900 } });
      await user.getByRole("button", { name: "Connect an agent" }).waitFor();
      await user.getByRole("checkbox").first().waitFor();
      if (theme === "light") await user.screenshot({ path: join(FOLDER, "shop-light.png") });
      await user.setViewportSize(VIEWPORTS.desktop);
      await user.goto(`${world.shop}/agentadmit`);
      await user.getByRole("listitem", { name: "Baker" }).waitFor();
      await choose(user, /See your orders/);
      await choose(user, /Ask for your money back/);
      await user.getByRole("button", { name: "What it did: Baker" }).click();
      await user.getByText("POST /refunds").waitFor();
      await take(user, `panel-${theme}`);
      await user.context().close();

      const phone = await visit(browser, world, { theme, viewport: VIEWPORTS.phone });
      await phone.goto(`${world.shop}/agentadmit`);
      await phone.getByRole("listitem", { name: "Baker" }).waitFor();
      await choose(phone, /See your orders/);
      // what is in a picture opens nothing
      await phone.route("**/generate-token", async (route) => {
        const answer = await route.fetch();
        const granted = await answer.json();
        const shown = (text: string) =>
          text
            .replaceAll(granted.token, `ag_ct_${"0".repeat(49)}`)
            .replaceAll(world.shop, "https://shop.example");
        const json = { ...granted, token: shown(granted.token), prompt: shown(granted.prompt) };
        await route.fulfill({ response: answer, json });
      });
      await phone.getByRole("button", { name: "Make a token" }).click();
      await phone.getByLabel("Message for your agent").waitFor();
      await phone.screenshot({ path: join(FOLDER, `token-phone-${theme}.png`) });
      await phone.getByRole("button", { name: "Done" }).click();
      const pending = phone.getByRole("listitem", { name: "Agent without a name" });
      await pending.getByRole("button", { name: /^End access/ }).click();
      await pending.getByRole("button", { name: "Yes, end it" }).click();
      await expect.poll(() => pending.count()).toBe(0);
      await phone.context().close();

      const admin = await visit(browser, world, { theme, login: "grace" });
      await admin.route("**/admin/usage*", async (route) => {
        const answer = await route.fetch();
        const usage = await answer.json();
        usage.series = series(new Date());
        usage.plan = { ...usage.plan, calls_used: 3_120 };
        await route.fulfill({ response: answer, json: usage });
      });
      await admin.goto(`${world.shop}/agentadmit/admin`);
      await admin.getByText("Plan: Business").waitFor();
      await admin.getByRole("row", { name: /Baker/ }).waitFor();
      await admin.getByText("POST /refunds").first().waitFor();
      await take(admin, `admin-${theme}`);
      await admin.context().close();
    }

    await world.returnTo(BACK);
    const ask = {
      user_id: "u_ada",
      user_label: "Ada",
      return_url: BACK,
      purpose: "Watch your parcels while you are away",
      preselected: ["read:orders"],
    };
    const looks = [
      ["consent-desktop", { theme: "light" }],
      ["consent-phone", { theme: "dark", viewport: VIEWPORTS.phone, locale: "ar" }],
    ] as const;
    for (const [name, look] of looks) {
      const context = await stranger(browser, look);
      const consent = await come(context, world, ask);
      await take(consent, name);
      await context.close();
    }

    const takeView = (page: Page, name: string) =>
      page.screenshot({ path: join(FOLDER, `${name}.png`), animations: "disabled" });
    await takeDashboard(browser, world, series(new Date()), takeView);
    await takeDevelopers(browser, takeView);

    const arabic = await visit(browser, world, { locale: "ar" });
    await arabic.goto(`${world.shop}/agentadmit`);
    await arabic.getByRole("listitem", { name: "Baker" }).waitFor();
    await take(arabic, "panel-arabic");
  } finally {
    await browser.close();
    world.end();
  }
});
