// Developers with accounts of their own: let in by links, at home in their apps and nowhere else.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch } from "../support/browser.js";
import { enter, isServed, keptBy, LOOKS, mustBeGood, open } from "../support/dashboard.js";
import { World } from "../support/world.js";

describe.skipIf(!hasBrowser || !isServed)("developers", () => {
  let world: World;
  let browser: Browser;

  beforeAll(async () => {
    const serve = ["--sign-up", "invite"];
    [world, browser] = await Promise.all([World.start({ environment: "live", serve }), launch()]);
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

  /** A link to a new account, or to an app, as the service gives it. */
  const linkOf = async (path: string, body: object): Promise<string> =>
    (await world.asOperator(path, body)).url as string;
  const toSignUp = () => linkOf("/v1/operator/accounts/invites", {});

  /** A developer who comes in by a link, in a browser of their own. */
  async function comesIn(link: string, name: string, look = {}): Promise<Page> {
    const [page] = await open(browser, look);
    await page.goto(link);
    await page.locator("input[autocomplete=name]").fill(name);
    await page.locator("button[type=submit]").click();
    await page.locator(".shell").waitFor();
    return page;
  }

  test("a link makes an account, once, and is nowhere afterwards", async () => {
    const [operator] = await enter(browser, world, "/developers");
    await heading(operator, "Developers");
    await operator.getByText("No developer has an account").waitFor();
    await operator.getByRole("button", { name: "Invite a developer" }).click();
    const dialog = operator.getByRole("dialog");
    await dialog.getByLabel("The link works for").selectOption("86400");
    await dialog.getByRole("button", { name: "Invite a developer" }).click();
    const link = await dialog.getByLabel("Link", { exact: true }).inputValue();
    expect(link).toMatch(/\/dashboard\/join#[^/?]+$/);
    const code = link.split("#")[1] ?? "";
    await dialog.getByRole("button", { name: "I have stored it" }).click();
    await operator.getByRole("rowheader", { name: "A new account" }).waitFor();
    expect(await keptBy(operator)).not.toContain(code);

    const asked: string[] = [];
    const [page, console] = await open(browser);
    page.on("request", (request) => asked.push(request.url()));
    await page.goto(link);
    await heading(page, "Make your account");
    expect(page.url()).toBe(`${world.service}/dashboard/join`);
    await page.getByRole("button", { name: "Make the account" }).click();
    await page.getByText("Say what you are called.").waitFor();
    await page.getByLabel("Your name").fill("Grace <b>Hopper</b>");
    await page.getByRole("button", { name: "Make the account" }).click();
    await heading(page, "Apps");
    await page.getByText("Grace <b>Hopper</b>").waitFor();
    expect(asked.join(" ")).not.toContain(code);
    expect(await keptBy(page)).not.toContain(code);
    expect(console.filter((text) => !text.includes("401"))).toEqual([]);

    const [late] = await open(browser);
    await late.goto(link);
    await heading(late, "This link opens nothing");
    await late.goto(`${world.service}/dashboard/join`);
    await late.getByText("This address is no whole link.").waitFor();
    for (const it of [operator, page, late]) await it.context().close();
  });

  test("a developer makes an app and its first key, and sees nothing else", async () => {
    const page = await comesIn(await toSignUp(), "Ada");
    await heading(page, "Apps");
    await page.getByText("No apps yet").waitFor();
    await page.getByRole("link", { name: "Create an app" }).click();
    await page.getByLabel("Name").fill("Night bakery");
    await page.getByRole("button", { name: "Create an app" }).click();
    await heading(page, "Night bakery");
    await page.getByRole("button", { name: "Create a key" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "Create a key" }).click();
    expect(await dialog.getByLabel("API key").inputValue()).toMatch(/^aa_test_/);
    await dialog.getByRole("button", { name: "I have stored it" }).click();
    const tabs = page.getByRole("navigation", { name: "Parts of the app" });
    for (const name of ["Usage", "Scopes", "Connections", "Activity", "Plan"]) {
      await tabs.getByRole("link", { name }).click();
      await mustBeGood(page, `a developer's app, ${name}`);
      expect(await page.locator(".problem").count(), name).toBe(0);
    }
    await tabs.getByRole("link", { name: "Settings" }).click();
    await page.getByLabel("Documentation (optional)").fill("https://bakery.example/docs");
    expect(await page.getByText("Rate limits").count()).toBe(0);
    await page.getByRole("button", { name: "Save" }).click();
    await said(page, "Saved.");

    await page.goto(`${world.service}/dashboard/apps/${world.appId}`);
    await page.getByText("It is not there").waitFor();
    for (const path of ["/audit", "/people", "/plans", "/developers"]) {
      await page.goto(`${world.service}/dashboard${path}`);
      await heading(page, "Nothing here");
    }
    await follow(page, "Your account");
    await page.getByRole("textbox", { name: "Name" }).fill("Ada Lovelace");
    await page.getByRole("button", { name: "Save" }).click();
    await page.locator(".who").getByText("Ada Lovelace").waitFor();
    await follow(page, "Sessions");
    await expect.poll(() => page.locator("tbody tr").count()).toBe(1);
    await page.context().close();
  });

  test("an owner invites a viewer, who sees and changes nothing, and leaves", async () => {
    const members = `/v1/operator/apps/${world.appId}`;
    const owner = await comesIn(await linkOf(`${members}/invites`, { role: "owner" }), "Olga");
    await heading(owner, "Corner shop");
    await owner
      .getByRole("navigation", { name: "Parts of the app" })
      .getByRole("link", { name: "Developers" })
      .click();
    await owner.getByRole("button", { name: "Invite a developer" }).click();
    const dialog = owner.getByRole("dialog");
    await dialog.getByRole("button", { name: "Invite a developer" }).click();
    const link = await dialog.getByLabel("Link", { exact: true }).inputValue();
    await dialog.getByRole("button", { name: "I have stored it" }).click();

    const viewer = await comesIn(link, "Victor");
    await heading(viewer, "Corner shop");
    const tabs = viewer.getByRole("navigation", { name: "Parts of the app" });
    await tabs.getByRole("link", { name: "Keys" }).click();
    await viewer.locator("tbody tr").first().waitFor();
    expect(await viewer.getByRole("button", { name: "Create a key" }).count()).toBe(0);
    await tabs.getByRole("link", { name: "Developers" }).click();
    await viewer.getByRole("rowheader", { name: /Olga/ }).waitFor();
    expect(await viewer.getByRole("button", { name: "Invite a developer" }).count()).toBe(0);

    await owner.reload();
    await owner.getByRole("button", { name: "Change role: Olga" }).click();
    await dialog.getByLabel("Viewer").check();
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.getByText("The app needs an owner.").waitFor();
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await owner.getByRole("button", { name: "Change role: Victor" }).click();
    await dialog.getByLabel("Owner").check();
    await dialog.getByRole("button", { name: "Save" }).click();
    await said(owner, "Saved.");

    await viewer.reload();
    await viewer.getByRole("button", { name: "Invite a developer" }).waitFor();
    await viewer.getByRole("button", { name: "Remove: Victor" }).click();
    await viewer.getByRole("button", { name: "Yes, remove" }).click();
    await heading(viewer, "Apps");
    await viewer.getByText("No apps yet").waitFor();
    for (const it of [owner, viewer]) await it.context().close();
  });

  test("an operator lets in who lost the way, suspends, resumes and deletes", async () => {
    const page = await comesIn(await toSignUp(), "Sam");
    const [operator] = await enter(browser, world, "/developers");
    const dialog = operator.getByRole("dialog");
    await operator.getByRole("button", { name: "Suspend: Sam" }).click();
    await dialog.getByRole("button", { name: "Yes, suspend" }).click();
    await said(operator, "The account is suspended.");
    await follow(page, "Sessions");
    await page.getByText("Your session has ended").waitFor();
    await operator.getByRole("button", { name: "Resume: Sam" }).click();
    await said(operator, "The account can sign in again.");
    await operator.getByRole("button", { name: "Sign-in link: Sam" }).click();
    await dialog.getByRole("button", { name: "A sign-in link for Sam" }).click();
    const link = await dialog.getByLabel("Link", { exact: true }).inputValue();
    await dialog.getByRole("button", { name: "I have stored it" }).click();
    await page.goto(link);
    await heading(page, "Sign in as Sam");
    await page.getByRole("button", { name: "Sign in" }).click();
    await heading(page, "Apps");
    await operator.getByRole("button", { name: "Delete: Sam" }).click();
    await dialog.getByRole("button", { name: "Yes, delete the account" }).click();
    await said(operator, "The account is deleted.");
    await page.reload();
    await page.getByRole("heading", { level: 1, name: "Sign in" }).waitFor();
    for (const it of [operator, page]) await it.context().close();
  });

  test("a link that waits is taken back", async () => {
    const link = await toSignUp();
    const [operator] = await enter(browser, world, "/developers");
    const buttons = operator.getByRole("button", { name: /^Take back:/ });
    await buttons.first().waitFor();
    for (let left = await buttons.count(); left > 0; left = await buttons.count()) {
      await buttons.first().click();
      await operator.getByRole("dialog").getByRole("button", { name: "Take back" }).click();
      await expect.poll(() => buttons.count()).toBe(left - 1);
    }
    await operator.goto(link);
    await heading(operator, "This link opens nothing");
    await operator.context().close();
  });

  test("somebody comes in by keyboard alone", async () => {
    const [page] = await open(browser);
    await page.goto(await toSignUp());
    await heading(page, "Make your account");
    await page.keyboard.press("Tab");
    await page.keyboard.type("Kim");
    await page.keyboard.press("Enter");
    await heading(page, "Apps");
    await page.context().close();
  });

  test.each(LOOKS)("every page is accessible: %o", async (look) => {
    const [operator] = await enter(browser, world, "/developers", look);
    await operator.locator("table, .empty").first().waitFor();
    await mustBeGood(operator, "developers");
    await operator.locator("header .button.main").click();
    await mustBeGood(operator, "the question about a link");
    await operator.keyboard.press("Escape");
    await operator.goto(`${world.service}/dashboard/apps/${world.appId}/members`);
    await operator.locator("table, .empty").first().waitFor();
    await mustBeGood(operator, "members");

    const [page] = await open(browser, look);
    await page.goto(await toSignUp());
    await page.locator("input[autocomplete=name]").waitFor();
    await mustBeGood(page, "a link");
    await page.locator("input[autocomplete=name]").fill("Zoë");
    await page.locator("button[type=submit]").click();
    await page.locator(".shell").waitFor();
    await page.goto(`${world.service}/dashboard/profile`);
    await page.locator("input[autocomplete=name]").waitFor();
    await mustBeGood(page, "the own account");
    await page.goto(`${world.service}/dashboard/join#nothing`);
    await page.locator(".sign-in .button").waitFor();
    await mustBeGood(page, "a bad link");
    for (const it of [operator, page]) await it.context().close();
  });
});
