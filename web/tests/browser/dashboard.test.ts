// The operator dashboard against the running service: by mouse, by keyboard alone, and that nothing
// secret is left behind.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch, VIEWPORTS } from "../support/browser.js";
import { enter, isServed, keptBy, mustBeGood, open, signInCode } from "../support/dashboard.js";
import { World } from "../support/world.js";

describe.skipIf(!hasBrowser || !isServed)("the dashboard", () => {
  let world: World;
  let browser: Browser;

  beforeAll(async () => {
    [world, browser] = await Promise.all([World.start({ environment: "live" }), launch()]);
    const access = await world.connect("u_ada", "Baker", ["read:orders", "track:orders"], {
      user_label: "Ada",
    });
    await world.call(access, "/orders");
    await world.call(access, "/refunds", "POST");
  });
  afterAll(async () => {
    await browser?.close();
    world?.end();
  });

  const heading = (page: Page, name: string) =>
    page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
  const follow = (page: Page, name: string) =>
    page.getByRole("navigation", { name: "Dashboard" }).getByRole("link", { name }).click();
  const said = (page: Page, text: string) => page.locator(".said").getByText(text).waitFor();

  test("a wrong code says so, and a right one opens the address that was asked for", async () => {
    const [page] = await open(browser);
    await page.goto(`${world.service}/dashboard/apps`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("Type the code.").waitFor();
    await page.getByLabel("Sign-in code").fill("0000-0000-0000-0000");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("This code does not work").waitFor();
    expect(await page.getByLabel("Sign-in code").getAttribute("aria-invalid")).toBe("true");
    const code = await signInCode(world);
    await page.getByLabel("Sign-in code").fill(code.toLowerCase().replaceAll("-", " "));
    await page.getByRole("button", { name: "Sign in" }).click();
    await heading(page, "Apps");
    expect(await keptBy(page)).not.toContain(code);
    // the cookie is not for scripts
    expect(await page.evaluate(() => document.cookie)).toBe("");
    await page.reload();
    await heading(page, "Apps");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("You are signed out.").waitFor();
    await page.reload();
    await page.getByLabel("Sign-in code").waitFor();
    // a used code is none
    await page.getByLabel("Sign-in code").fill(code);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("This code does not work").waitFor();
    await page.context().close();
  });

  test("an app, its scopes, its keys: made, replaced, ended", async () => {
    const [page, console] = await enter(browser, world, "/apps");
    await page.getByRole("link", { name: "Create an app" }).click();
    await heading(page, "Create an app");
    await page.getByRole("button", { name: "Create an app" }).click();
    await page.getByText("Give the app a name.").waitFor();
    await page.getByLabel("Name").fill("Harbour library");
    await page.getByRole("button", { name: "Create an app" }).click();
    await heading(page, "Harbour library");
    await page.getByText("No keys yet").waitFor();

    await page.getByRole("button", { name: "Create a key" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name (optional)").fill("Web server");
    for (const name of ["Verify", "Issue", "Manage"]) await dialog.getByLabel(name).uncheck();
    await dialog.getByRole("button", { name: "Create a key" }).click();
    await dialog.getByText("Choose at least one thing").waitFor();
    await dialog.getByLabel("Verify").check();
    await dialog.getByRole("button", { name: "Create a key" }).click();
    const key = await dialog.getByLabel("API key").inputValue();
    expect(key).toMatch(/^aa_test_/);
    const credential = await fetch(`${world.service}/v1/credential`, {
      headers: { Authorization: `Bearer ${key}` },
    });
    expect((await credential.json()).permissions).toEqual(["verify"]);
    // nothing but the button closes what is shown once
    await page.keyboard.press("Escape");
    await dialog.getByRole("button", { name: "I have stored it" }).click();
    await page.getByRole("rowheader", { name: /Web server/ }).waitFor();
    expect(await keptBy(page)).not.toContain(key);

    await page.getByRole("button", { name: "Replace: Web server" }).click();
    await dialog.getByLabel("The old key ends").selectOption("3600");
    await dialog.getByRole("button", { name: "Replace" }).click();
    const second = await dialog.getByLabel("API key").inputValue();
    expect(second).not.toBe(key);
    // the page is left while the key is seen
    await page.goto("about:blank");
    await page.goBack();
    await heading(page, "Harbour library");
    expect(await keptBy(page)).not.toContain(second);
    await expect.poll(() => page.getByRole("rowheader", { name: /Web server/ }).count()).toBe(2);

    await page.getByRole("button", { name: "End: Web server" }).first().click();
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "End: Web server" }).first().click();
    await dialog.getByRole("button", { name: "Yes, end the key" }).click();
    await said(page, "The key has ended.");
    expect(console, "nothing is wrong with the page or its policy").toEqual([]);
    await page.context().close();
  });

  test("plan and settings are kept, and what is wrong with them is said", async () => {
    const [page] = await enter(browser, world, `/apps/${world.appId}/plan`);
    await page.getByLabel("Name of the plan").fill("Business");
    await page.getByLabel("Status").selectOption("active");
    await page.getByLabel("Live calls a month").fill("many");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Type a whole number, or nothing.").waitFor();
    await page.getByLabel("Live calls a month").fill("5,000");
    await page.getByRole("button", { name: "Save" }).click();
    await said(page, "Saved.");
    const tabs = page.getByRole("navigation", { name: "Parts of the app" });
    await tabs.getByRole("link", { name: "Usage" }).click();
    await page.getByText(/of 5,000 calls used/).waitFor();

    await tabs.getByRole("link", { name: "Settings" }).click();
    await page.getByLabel("Logo (optional)").fill("not an address");
    await page.getByLabel("Calls per second, for each agent").fill("20");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("This must be an address").waitFor();
    await page.getByLabel("Logo (optional)").fill("https://shop.example/logo.png");
    await page.getByRole("button", { name: "Save" }).click();
    await said(page, "Saved.");
    const kept = async () => (await world.asOperator(`/v1/operator/apps/${world.appId}`)).settings;
    // what was said of the plan may still stand there
    await expect.poll(kept).toMatchObject({
      logo_uri: "https://shop.example/logo.png",
      rate_limit: { per_connection_per_second: 20 },
    });
    await page.context().close();
  });

  test("a connection is found, read, narrowed, and ended", async () => {
    const [page] = await enter(browser, world);
    await heading(page, "Overview");
    await follow(page, "Connections");
    await heading(page, "Connections");
    await page.getByLabel("User or connection").fill("u_ada");
    await page.getByRole("button", { name: "Search" }).click();
    await expect.poll(() => page.url()).toContain("user=u_ada");
    await page.reload();
    await page.getByRole("link", { name: "Baker of Ada" }).click();
    await heading(page, "Baker");
    await page.getByText("POST /refunds").first().waitFor();
    await page.getByRole("button", { name: "Change" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("track:orders").uncheck();
    await dialog.getByRole("button", { name: "Save" }).click();
    await said(page, "Saved.");
    await expect.poll(() => page.locator(".scopes > li").count()).toBe(1);
    await page.getByRole("button", { name: "End access" }).click();
    await dialog.getByRole("button", { name: "Yes, end it" }).click();
    await said(page, "The access has ended.");
    await page.locator(".facts").getByText("Ended", { exact: true }).waitFor();
    expect(await page.getByRole("button", { name: "End access" }).count()).toBe(0);
    await page.context().close();
  });

  test("by keyboard alone, on a phone: everything that acts for one person ends", async () => {
    const access = await world.connect("u_grace", "Clerk", ["read:orders"]);
    expect(await world.call(access, "/orders")).toBe(200);
    const [page] = await open(browser, { viewport: VIEWPORTS.phone });
    await page.goto(`${world.service}/dashboard/people`);
    await page.getByLabel("Sign-in code").waitFor();
    await page.keyboard.type(await signInCode(world));
    await page.keyboard.press("Enter");
    await heading(page, "People");
    const reach = async (selector: string) => {
      for (let press = 0; press < 60; press++) {
        await page.keyboard.press("Tab");
        const isThere = await page.evaluate(
          (wanted) => document.activeElement?.matches(wanted) ?? false,
          selector,
        );
        if (isThere) return;
      }
      throw new Error(`the keyboard does not get to ${selector}`);
    };
    await reach("#main input");
    await page.keyboard.type("u_gr");
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "u_grace" }).waitFor();
    await reach("#main .row-link");
    await page.keyboard.press("Enter");
    await page.getByText("1 agent can act for this person now.").waitFor();
    await reach("#main .button.danger");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await expect.poll(() => page.getByRole("dialog").count()).toBe(0);
    // the focus is back where it was
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("End everything");
    await page.keyboard.press("Enter");
    await reach("dialog input");
    await page.keyboard.type("u_grace");
    await reach("dialog .button.danger");
    await page.keyboard.press("Enter");
    await said(page, "1 connection of this person has ended.");
    expect(await world.call(access, "/orders")).toBe(401);
    await page.context().close();
  });

  test("the log is searched and exported", async () => {
    const [page] = await enter(browser, world, "/audit");
    await heading(page, "Audit");
    await page.getByLabel("What happened").selectOption("refused");
    await page.getByText("POST /refunds").first().waitFor();
    await expect.poll(() => page.getByText("Allowed: GET /orders").count()).toBe(0);
    await page.locator(".event > summary").first().click();
    await page.getByText("Hash of the one before").first().waitFor();
    await page.getByRole("link", { name: "Show everything" }).click();
    await page.getByLabel("App", { exact: true }).selectOption(world.appId);
    await page.getByText("To export, choose one app").waitFor();
    await page.getByLabel("Environment").selectOption("live");
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Export NDJSON" }).click(),
    ]);
    expect(download.suggestedFilename()).toBe("agentadmit-audit.ndjson");
    await said(page, "The export is in your downloads.");
    await page.context().close();
  });

  test("the log is searched by how it ended and why, and checked as a whole", async () => {
    const [page] = await enter(browser, world, "/audit");
    const outcome = page.getByLabel("How it ended");
    await outcome.selectOption("refused");
    await page.getByText("POST /refunds").first().waitFor();
    await expect.poll(() => page.getByText("Allowed: GET /orders").count()).toBe(0);
    await outcome.selectOption("allowed");
    await page.getByText("Allowed: GET /orders").first().waitFor();
    await page.getByLabel("Why").selectOption("insufficient_scope");
    await page.getByText("Nothing happened").waitFor();
    await outcome.selectOption("");
    await page.getByText("POST /refunds").first().waitFor();
    expect(page.url()).toContain("reason=insufficient_scope");
    await page.getByRole("link", { name: "Show everything" }).click();
    const { events } = await world.asOperator("/v1/operator/audit?event=verified");
    const key = (events as { actor: string }[])[0]?.actor.split(":")[1] ?? "";
    await page.getByLabel("User, connection, or who did it").fill(key);
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByText("Allowed: GET /orders").first().waitFor();

    await page.getByText("It has not been checked yet.").waitFor();
    await page.getByRole("button", { name: "Check it now" }).click();
    await page.getByText("Whole", { exact: true }).waitFor();
    await page.getByText(/each fitted the one before/).waitFor();
    await page.context().close();
  });

  test("a check that runs shows how far it is, and one that finds something what", async () => {
    const [page] = await enter(browser, world, "/plans");
    const at = "2026-05-11T09:30:00.000Z";
    const running = { started_at: at, records: 5_000, position: 5_000, end: 20_000 };
    const last = {
      started_at: at,
      verified_at: at,
      intact: false,
      records: 20_000,
      chains: 4,
      findings: ["chain_x: record 7 was altered: its hash does not match it"],
      findings_total: 3,
    };
    let answer: object = { running, last: null, failed_at: null };
    await page.route("**/v1/operator/audit/verification", (route) =>
      route.fulfill({ json: answer }),
    );
    await follow(page, "Audit");
    await page.getByText("Checking: 5,000 read so far").waitFor();
    const bar = page.getByRole("progressbar", { name: "How far the check is" });
    expect(await bar.evaluate((it: HTMLProgressElement) => it.position)).toBe(0.25);
    await mustBeGood(page, "a check that runs");
    answer = { running: null, last, failed_at: at };
    await page.getByText("Damaged", { exact: true }).waitFor();
    await page.getByText("record 7 was altered").waitFor();
    await page.getByText("and 2 more").waitFor();
    await page.getByText(/The last check broke off/).waitFor();
    await mustBeGood(page, "a check that found something");
    await page.context().close();
  });

  test("a session that was ended elsewhere shows nothing any more", async () => {
    const [page] = await enter(browser, world, "/sessions");
    await page.getByRole("row", { name: /This one/ }).waitFor();
    const [other] = await enter(browser, world, "/apps");
    await other.getByRole("link", { name: "Corner shop" }).waitFor();
    const { sessions } = await world.asOperator("/v1/operator/sessions");
    for (const { session_id } of sessions as { session_id: string }[]) {
      await world.asOperator(`/v1/operator/sessions/${session_id}`, undefined, "DELETE");
    }
    await other.getByRole("link", { name: "Corner shop" }).click();
    await other.getByText("Your session has ended").waitFor();
    expect(await other.content()).not.toContain("Corner shop");
    await other.context().close();
    await page.context().close();
  });

  test("errors are told in plain words, and do not end the page", async () => {
    const [page] = await enter(browser, world, "/apps");
    await heading(page, "Apps");
    await page.route("**/v1/operator/apps*", (route) => route.abort());
    await page.reload();
    await page.getByText("The service cannot be reached").waitFor();
    await mustBeGood(page, "an error");
    await page.unroute("**/v1/operator/apps*");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("link", { name: "Corner shop" }).waitFor();
    await page.goto(`${world.service}/dashboard/apps/app_${"0".repeat(26)}`);
    await page.getByText("It is not there, or no longer there").waitFor();
    await page.goto(`${world.service}/dashboard/no/such/page`);
    await heading(page, "Nothing here");
    await page.context().close();
  });

  test("the page cannot be framed, and keeps nothing", async () => {
    const answer = await fetch(`${world.service}/dashboard`);
    const policy = answer.headers.get("Content-Security-Policy") ?? "";
    for (const rule of ["default-src 'none'", "frame-ancestors 'none'", "script-src 'self'"]) {
      expect(policy).toContain(rule);
    }
    expect(policy).not.toContain("unsafe");
    expect(answer.headers.get("Cache-Control")).toContain("no-store");
  });
});
