// Debian's Chromium, driven by playwright-core.
import { existsSync } from "node:fs";
import axe from "axe-core";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { expect } from "vitest";
import type { World } from "./world.js";

export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Whether there is a browser to test in. */
export const hasBrowser = existsSync(CHROMIUM);

export const VIEWPORTS = {
  phone: { width: 375, height: 720 },
  desktop: { width: 1_280, height: 900 },
};

/** How long a condition may take, in milliseconds: the machine may be busy. */
export const PATIENCE = 20_000;

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export interface Visit {
  viewport?: { width: number; height: number };
  theme?: "light" | "dark";
  locale?: string;
  login?: "ada" | "grace";
  scale?: number;
}

const PASSWORDS = { ada: "difference-engine", grace: "compiler-1952" };

/** A browser of its own, signed in at the shop by its form. */
export async function visit(browser: Browser, world: World, how: Visit = {}): Promise<Page> {
  const { viewport = VIEWPORTS.desktop, theme = "light", locale = "en-GB", login = "ada" } = how;
  const context: BrowserContext = await browser.newContext({
    viewport,
    locale,
    colorScheme: theme,
    timezoneId: "Europe/London",
    deviceScaleFactor: how.scale ?? 1,
  });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  await page.goto(world.shop);
  await page.getByLabel("Name").fill(login);
  await page.getByLabel("Password").fill(PASSWORDS[login]);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Your orders" }).waitFor();
  return page;
}

/** Chooses what the agent may do, by what it is called. */
export async function choose(page: Page, scope: RegExp): Promise<void> {
  await page
    .getByRole("group", { name: "What may it do?" })
    .getByRole("checkbox", { name: scope })
    .check();
}

/** No violation of any rule of axe-core, within the shadow roots too. */
export async function mustBeAccessible(page: Page, what: string): Promise<void> {
  await page.evaluate(axe.source);
  const violations = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: typeof import("axe-core") };
    const { violations } = await axe.run(document);
    return violations.map((it) => ({
      rule: it.id,
      help: it.help,
      nodes: it.nodes.map((node) => `${node.target.join(" ")}: ${node.failureSummary}`),
    }));
  });
  expect(violations, `axe: ${what}`).toEqual([]);
}
