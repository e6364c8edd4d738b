// The hosted consent page in a browser that comes from the app's own site, which is another one.
import type { Browser, BrowserContext, Page } from "playwright-core";
import { PATIENCE, VIEWPORTS } from "./browser.js";
import type { World } from "./world.js";

/** Where the app of these tests is, as its users see it. */
export const APP = "https://shop.example";
export const BACK = `${APP}/agents`;

export interface Look {
  viewport?: { width: number; height: number };
  theme?: "light" | "dark";
  locale?: string;
  script?: boolean;
  zone?: string;
}

/** A browser of its own, in which the app's site has a page with one link. */
export async function stranger(browser: Browser, look: Look = {}): Promise<BrowserContext> {
  const { viewport = VIEWPORTS.desktop, theme = "light", locale = "en-GB", script = true } = look;
  const context = await browser.newContext({
    viewport,
    locale,
    colorScheme: theme,
    javaScriptEnabled: script,
    timezoneId: look.zone ?? "UTC",
  });
  context.setDefaultTimeout(PATIENCE);
  return context;
}

/** Asks a user, and follows the app's link to the page. */
export async function come(context: BrowserContext, world: World, body: object): Promise<Page> {
  const url = await world.askConsent({ user_id: "u_ada", user_label: "Ada", ...body });
  const page = await context.newPage();
  await context.route(`${APP}/**`, (route) =>
    route.fulfill({
      contentType: "text/html",
      body: `<!doctype html><html lang="en"><title>Shop</title><main><h1>Shop</h1><a href="${url}">Connect</a></main></html>`,
    }),
  );
  await page.goto(BACK);
  await page.getByRole("link", { name: "Connect" }).click();
  await page.locator("form").waitFor();
  return page;
}
