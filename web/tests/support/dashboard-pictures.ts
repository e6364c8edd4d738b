// The dashboard's pictures for the docs, with time and numbers that do not change.
import type { Browser, Page } from "playwright-core";
import { VIEWPORTS } from "./browser.js";
import { enter, type Look } from "./dashboard.js";
import type { World } from "./world.js";

interface Day {
  day: string;
  allowed: number;
  refused: number;
}

const LOOKS: [name: string, path: string, wanted: string, look: Look][] = [
  ["dashboard-light", "", ".chart", { theme: "light" }],
  ["dashboard-dark", "", ".chart", { theme: "dark" }],
  ["dashboard-person-light", "/people?user=u_ada", "table", { theme: "light" }],
  [
    "dashboard-phone-arabic",
    "/connections",
    "table",
    { theme: "dark", locale: "ar", viewport: VIEWPORTS.phone },
  ],
];

export async function takeDashboard(
  browser: Browser,
  world: World,
  days: Day[],
  take: (page: Page, name: string) => Promise<unknown>,
): Promise<void> {
  for (const [name, path, wanted, look] of LOOKS) {
    const [page] = await enter(browser, world, "/sessions", look);
    await page.route("**/v1/operator/overview*", async (route) => {
      const answer = await route.fetch();
      const overview = await answer.json();
      const json = { ...overview, series: days, today: days.at(-1) };
      await route.fulfill({ response: answer, json });
    });
    await page.goto(`${world.service}/dashboard${path}`);
    await page.locator(`#main ${wanted}`).first().waitFor();
    await page.waitForFunction(() => !document.querySelector(".waiting"));
    await take(page, name);
    await page.context().close();
  }
}
