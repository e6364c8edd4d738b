// The operator dashboard of a running service, in a browser of its own.
import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { expect } from "vitest";
import { mustBeAccessible, PATIENCE, VIEWPORTS } from "./browser.js";
import type { World } from "./world.js";

const contract = new URL("../../../contract/openapi.json", import.meta.url);

/** Whether this service has operators who sign in to a dashboard. */
export const isServed =
  "/v1/operator/sign-in-codes" in JSON.parse(readFileSync(contract, "utf8")).paths;

export interface Look {
  viewport?: { width: number; height: number };
  theme?: "light" | "dark";
  locale?: string;
}

export const LOOKS = [
  { theme: "light", viewport: VIEWPORTS.desktop, locale: "en-GB" },
  { theme: "dark", viewport: VIEWPORTS.phone, locale: "en-GB" },
  { theme: "light", viewport: VIEWPORTS.phone, locale: "ar" },
  { theme: "dark", viewport: VIEWPORTS.desktop, locale: "ar" },
] as const;

/** A page of a fresh browser, and what it says on its console. */
export async function open(browser: Browser, look: Look = {}): Promise<[Page, string[]]> {
  const { viewport = VIEWPORTS.desktop, theme = "light", locale = "en-GB" } = look;
  const context = await browser.newContext({
    viewport,
    locale,
    colorScheme: theme,
    timezoneId: "Europe/London",
  });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const said: string[] = [];
  page.on("console", (message) => {
    said.push(message.text());
  });
  page.on("pageerror", (error) => said.push(error.message));
  return [page, said];
}

/** A code, as whoever runs the service gets one. */
export async function signInCode(world: World): Promise<string> {
  const made = await world.asOperator("/v1/operator/sign-in-codes", undefined, "POST");
  return made.code as string;
}

/** Signed in by the form, at an address of the dashboard. */
export async function enter(
  browser: Browser,
  world: World,
  path = "",
  look: Look = {},
): Promise<[Page, string[]]> {
  const [page, said] = await open(browser, look);
  await page.goto(`${world.service}/dashboard${path}`);
  await page.locator("input[autocomplete='one-time-code']").fill(await signInCode(world));
  await page.locator("button[type=submit]").click();
  await page.locator(".shell").waitFor();
  // nobody was signed in at first, which the console tells
  said.length = 0;
  return [page, said];
}

/** No violation of axe-core, nothing that scrolls sideways. */
export async function mustBeGood(page: Page, what: string): Promise<void> {
  await expect.poll(() => page.locator(".waiting").count(), { timeout: PATIENCE }).toBe(0);
  await mustBeAccessible(page, what);
  const [inner, outer] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  expect(inner, `${what} scrolls sideways`).toBe(outer);
}

/** Everything that the browser could keep of a visit. */
export function keptBy(page: Page): Promise<string> {
  return page.evaluate(() =>
    JSON.stringify([
      location.href,
      history.state,
      { ...localStorage },
      { ...sessionStorage },
      document.cookie,
      document.documentElement.outerHTML,
      [...document.querySelectorAll("input, textarea")].map((it) => (it as HTMLInputElement).value),
    ]),
  );
}
