// Whoever looks after the app sees everybody's agents, and can end them.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { hasBrowser, launch, VIEWPORTS, type Visit, visit } from "../support/browser.js";
import { World } from "../support/world.js";

describe.skipIf(!hasBrowser)("the admin's panel", () => {
  let world: World;
  let browser: Browser;
  let baker: string;
  let porter: string;

  beforeAll(async () => {
    const plan = {
      name: "Business",
      status: "past_due",
      call_limit: 3,
      billing_url: "https://pay.example/plan",
    };
    [world, browser] = await Promise.all([World.start({ environment: "live", plan }), launch()]);
    for (let number = 0; number < 55; number++) {
      const wanted = { user_id: `u_${number}`, user_label: "Somebody", scopes: ["read:orders"] };
      await world.asApp(`/v1/apps/${world.appId}/token`, wanted);
    }
    baker = await world.connect("u_ada", "Baker", ["read:orders"], { user_label: "Ada" });
    porter = await world.connect("u_ada", "Porter", ["read:orders"], { user_label: "Ada" });
    for (let call = 0; call < 4; call++) expect(await world.call(baker, "/orders")).toBe(200);
    expect(await world.call(porter, "/refunds", "POST")).toBe(403);
    // calls by agent are counted a little later
    const byAgent = async () => (await world.asApp("/v1/usage")).breakdown;
    const counted = async () => expect(await byAgent()).toEqual([{ label: "Baker", calls: 4 }]);
    await vi.waitFor(counted, { timeout: 30_000 });
  });
  afterAll(async () => {
    await browser?.close();
    world?.end();
  });

  async function open(how: Visit = {}): Promise<Page> {
    const page = await visit(browser, world, { login: "grace", ...how });
    await page.goto(`${world.shop}/agentadmit/admin`);
    await page.getByRole("row", { name: /Baker/ }).waitFor();
    return page;
  }

  test("shows plan, use and what agents do, as it happens", async () => {
    const page = await open();
    await page.getByText("Plan: Business").waitFor();
    await page.getByText("Payment is late").waitFor();
    await page.getByText("4 of 3 calls used").waitFor();
    await page.getByText("1 call beyond the plan").waitFor();
    await page.getByText(/^Renews on /).waitFor();
    const link = page.getByRole("link", { name: "Look after the plan" });
    expect(await link.getAttribute("href")).toBe("https://pay.example/plan");
    await page.getByRole("img", { name: "Calls by day" }).waitFor();
    await page.getByText("4 allowed and 1 refused in the last 30 days").waitFor();
    await page.getByText("Show as a table").click();
    await page.getByRole("row", { name: /^Baker 4$/ }).waitFor();

    const log = page.getByRole("region", { name: "What agents do" });
    await log.getByText("POST /refunds").waitFor();
    const before = await log.getByText("GET /orders").count();
    expect(await world.call(baker, "/orders")).toBe(200);
    await expect
      .poll(() => log.getByText("GET /orders").count(), { timeout: 20_000 })
      .toBe(before + 1);
    await page.context().close();
  });

  test("finds by what is loaded, and a user anywhere by the whole id", async () => {
    const page = await open();
    await page.getByText("57 connections").waitFor();
    const search = page.getByRole("searchbox", { name: "Search" });
    const rows = page.getByRole("region", { name: "Connections" }).getByRole("rowheader");
    await search.fill("porter");
    await expect.poll(() => rows.allTextContents()).toEqual(["Porterread:orders"]);
    // the oldest is on the second page
    await search.fill("u_0");
    await expect.poll(() => rows.count()).toBe(1);
    await search.fill("nobody of this name");
    await page.getByText("Nothing matches.").waitFor();
    await search.fill("");
    await page.getByLabel("Status").selectOption("active");
    await page.getByText("2 connections").waitFor();
    await expect.poll(() => rows.count()).toBe(2);
    await page.getByLabel("Status").selectOption("");
    await expect.poll(() => rows.count()).toBe(50);
    await page.getByRole("region", { name: "Connections" }).getByText("Show more").click();
    await expect.poll(() => rows.count()).toBe(57);
    await page.context().close();
  });

  test("ends one, and all of a user", async () => {
    const page = await open({ viewport: VIEWPORTS.phone });
    await page.getByRole("button", { name: "End: Porter, Ada" }).click();
    await page.getByText("End Porter of Ada?").waitFor();
    await page.getByRole("button", { name: "Keep it" }).click();
    expect(await world.call(porter, "/orders"), "kept").toBe(200);
    await page.getByRole("button", { name: "End: Porter, Ada" }).click();
    await page.getByRole("button", { name: "Yes, end it" }).click();
    await page.getByText("The connection has ended.").waitFor();
    expect(await world.call(porter, "/orders")).toBe(401);
    expect(await world.call(baker, "/orders")).toBe(200);

    const another = await world.connect("u_ada", "Another", ["read:orders"], { user_label: "Ada" });
    await page.getByRole("button", { name: "End all of this user: Ada" }).first().click();
    await page.getByText("End every agent of Ada?").waitFor();
    await page.getByRole("button", { name: "Yes, end it" }).click();
    await page.getByText("2 connections of this user have ended.").waitFor();
    expect(await world.call(baker, "/orders")).toBe(401);
    expect(await world.call(another, "/orders")).toBe(401);
    await page.context().close();
  });

  test("is not for everybody", async () => {
    const page = await visit(browser, world, { login: "ada" });
    await page.goto(`${world.shop}/agentadmit/admin`);
    await page.getByText("This page is for people who look after this app.").waitFor();
    expect(await page.locator("agentadmit-admin-panel").count()).toBe(0);
    await page.context().close();
  });
});
