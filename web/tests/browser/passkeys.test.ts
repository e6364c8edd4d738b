// Passkeys, made and used by Chromium's virtual authenticator: in, out, on a link, refused, removed.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch, VIEWPORTS } from "../support/browser.js";
import { isServed, LOOKS, mustBeGood, open } from "../support/dashboard.js";
import { Device } from "../support/device.js";
import { World } from "../support/world.js";

describe.skipIf(!hasBrowser || !isServed)("passkeys", () => {
  let world: World;
  let browser: Browser;
  /** Passkeys are for a name, and an address of numbers has none. */
  let here: string;

  beforeAll(async () => {
    const serve = ["--sign-up", "open"];
    [world, browser] = await Promise.all([World.start({ environment: "live", serve }), launch()]);
    here = `${world.service.replace("127.0.0.1", "localhost")}/dashboard`;
  });
  afterAll(async () => {
    await browser?.close();
    world?.end();
  });

  const heading = (page: Page, name: string) =>
    page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
  const said = (page: Page, text: string) => page.locator(".said").getByText(text).waitFor();
  const press = (page: Page, name: string) => page.getByRole("button", { name }).click();

  async function comes(look = {}): Promise<[Page, Device]> {
    const [page] = await open(browser, look);
    const device = await Device.of(page);
    await page.goto(here);
    return [page, device];
  }

  test("an account is made with one, which signs in again", async () => {
    const [page, device] = await comes();
    await page.getByRole("link", { name: "Make an account" }).click();
    await heading(page, "Make an account");
    await press(page, "Make the account with a passkey");
    await page.getByText("Say what you are called.").waitFor();
    await page.getByLabel("Your name").fill("Ada");
    await page.keyboard.press("Enter");
    await heading(page, "Apps");
    expect(await device.count()).toBe(1);
    await press(page, "Sign out");
    await press(page, "Sign in with a passkey");
    await heading(page, "Apps");
    await page.goto(`${here}/profile`);
    await page.getByRole("rowheader", { name: "Passkey" }).waitFor();
    expect(await page.getByText("Never").count(), "it was used").toBe(0);

    // the same device once more is no second passkey
    await press(page, "Add a passkey");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name of the passkey").fill("Again");
    await dialog.getByRole("button", { name: "Add a passkey" }).click();
    await dialog.getByText("No passkey was used.").waitFor();
    await dialog.getByRole("button", { name: "Cancel" }).click();

    await device.forget();
    await press(page, "Add a passkey");
    await dialog.getByLabel("Name of the passkey").fill("New laptop");
    await dialog.getByRole("button", { name: "Add a passkey" }).click();
    await said(page, "The passkey is added.");
    await press(page, "Remove: Passkey");
    await dialog.getByRole("button", { name: "Remove" }).click();
    // it had opened this session too
    await page.getByText("Your session has ended").waitFor();
    await press(page, "Sign in with a passkey");
    await heading(page, "Your account");
    await page.getByRole("rowheader", { name: "New laptop" }).waitFor();
    expect(await page.locator("tbody tr").count()).toBe(1);
    await page.context().close();
  });

  test("a link makes an account with one, and what was removed opens nothing", async () => {
    const invites = `/v1/operator/apps/${world.appId}/invites`;
    const { url } = await world.asOperator(invites, { role: "owner" });
    const [page] = await open(browser, { viewport: VIEWPORTS.phone });
    const device = await Device.of(page);
    await page.goto((url as string).replace("127.0.0.1", "localhost"));
    await heading(page, "Join Corner shop");
    await page.getByLabel("Your name").fill("Olga");
    await device.isVerified(false);
    await press(page, "Make the account with a passkey");
    await page.getByText("No passkey was used.").waitFor();
    await device.isVerified(true);
    await press(page, "Make the account with a passkey");
    await heading(page, "Corner shop");
    await page.goto(`${here}/profile`);
    await press(page, "Remove: Passkey");
    await page.getByText("It is your only one").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await page.getByText("Your session has ended").waitFor();
    await press(page, "Sign in with a passkey");
    await page.getByText("This passkey opens nothing here.").waitFor();
    await page.context().close();
  });

  test("where they do not work, the page says where they do", async () => {
    const [page] = await open(browser);
    await page.goto(`${world.service}/dashboard`);
    await page.getByText(`Passkeys work at ${new URL(here).origin} alone.`).waitFor();
    expect(await page.getByRole("button", { name: "Sign in with a passkey" }).count()).toBe(0);
    await page.context().close();
  });

  test.each(LOOKS)("the ways in are accessible: %o", async (look) => {
    const [page] = await comes(look);
    await page.locator(".ways-in").waitFor();
    await mustBeGood(page, "signing in");
    await page.goto(`${here}/new-account`);
    await page.locator("input[autocomplete=name]").waitFor();
    await mustBeGood(page, "a new account");
    await page.context().close();
  });
});
