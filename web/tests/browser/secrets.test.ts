// The token is shown once, to the person, and is nowhere else.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { choose, hasBrowser, launch, visit } from "../support/browser.js";
import { World } from "../support/world.js";

describe.skipIf(!hasBrowser)("the token", () => {
  let world: World;
  let browser: Browser;

  beforeAll(async () => {
    [world, browser] = await Promise.all([World.start(), launch()]);
  });
  afterAll(async () => {
    await browser?.close();
    world?.end();
  });

  async function shown(
    path = "/agentadmit",
  ): Promise<{ page: Page; token: string; urls: string[] }> {
    const page = await visit(browser, world);
    const urls: string[] = [];
    page.on("request", (request) => urls.push(request.url()));
    await page.goto(world.shop + path);
    await choose(page, /See your orders/);
    await page.getByRole("button", { name: "Make a token" }).click();
    const message = await page.getByLabel("Message for your agent").inputValue();
    const token = message.match(/ag_ct_\w+/)?.[0] ?? "";
    expect(token).not.toBe("");
    expect(await everything(page), "the search finds what is there").toContain(token);
    return { page, token, urls };
  }

  test("is in no address, no history, no storage, no message of the console", async () => {
    const { page, token, urls } = await shown();
    const logs: string[] = [];
    page.on("console", (message) => logs.push(message.text()));
    await page.getByText("Show the token alone").click();
    const kept = await page.evaluate(async () => {
      const databases = (await indexedDB.databases?.()) ?? [];
      const own = [
        location.href,
        history.state,
        document.cookie,
        document.referrer,
        document.title,
      ];
      return JSON.stringify([
        own,
        { ...localStorage },
        { ...sessionStorage },
        databases,
        await caches.keys(),
      ]);
    });
    expect(kept).not.toContain(token);
    expect(JSON.stringify(await page.context().storageState({ indexedDB: true }))).not.toContain(
      token,
    );
    expect(urls.join("\n")).not.toContain(token);
    expect(logs.join("\n")).not.toContain(token);
    await page.context().close();
  });

  test("is out of the page when the view is left", async () => {
    const { page, token } = await shown();
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByRole("button", { name: "Make a token" }).waitFor();
    expect(await everything(page)).not.toContain(token);
    await page.context().close();
  });

  test("is out of the page when the element is taken off it", async () => {
    const { page, token } = await shown("/");
    await page.evaluate(() => {
      const panel = document.querySelector("agentadmit-panel") as HTMLElement;
      panel.remove();
      // a page may keep the element, to show it again
      (window as unknown as { kept: HTMLElement }).kept = panel;
      document.body.append(panel);
    });
    await page.getByRole("button", { name: "Make a token" }).waitFor();
    expect(await everything(page)).not.toContain(token);
    await page.context().close();
  });

  test("does not come back with the back button", async () => {
    const { page, token } = await shown();
    await page.goto(world.shop);
    await page.goBack();
    await page.getByRole("button", { name: "Make a token" }).waitFor();
    expect(await everything(page)).not.toContain(token);
    await page.context().close();
  });

  test("does not wait in a page that the browser keeps to show it again", async () => {
    const { page, token } = await shown();
    await page.evaluate(() => {
      window.dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
    });
    await page.getByRole("button", { name: "Make a token" }).waitFor();
    expect(await everything(page)).not.toContain(token);
    await page.context().close();
  });

  test("goes from the page when its agent has used it", async () => {
    const { page, token } = await shown();
    await world.exchange(token);
    await page.getByText("Your agent is connected.").waitFor();
    expect(await everything(page)).not.toContain(token);
    await page.context().close();
  });

  test("goes from the page when its time is over", async () => {
    const page = await visit(browser, world);
    await page.clock.install();
    await page.goto(`${world.shop}/agentadmit`);
    await choose(page, /See your orders/);
    await page.getByRole("button", { name: "Make a token" }).click();
    await page.getByLabel("Message for your agent").waitFor();
    await page.clock.runFor(11 * 60 * 1_000);
    await page.getByText("This token has run out and was not used.").waitFor();
    expect(await everything(page)).not.toMatch(/ag_ct_/);
    await page.getByRole("button", { name: "Make a new token" }).click();
    await page.getByRole("button", { name: "Make a token" }).waitFor();
    await page.context().close();
  });

  test("is copied by the button, whole", async () => {
    const { page, token } = await shown();
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy the message" }).click();
    await page.getByText("Copied").waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toContain(token);
    await page.getByText("Show the token alone").click();
    await page.getByRole("button", { name: "Copy the token" }).click();
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe(token);
    await page.context().close();
  });
});

/** Everything that stands in the page: markup, values, texts, within the shadow roots too. */
function everything(page: Page): Promise<string> {
  return page.evaluate(() => {
    const parts: string[] = [];
    const look = (root: Document | ShadowRoot) => {
      parts.push(root instanceof Document ? root.documentElement.outerHTML : root.innerHTML);
      for (const element of root.querySelectorAll("*")) {
        if ("value" in element) parts.push(String(element.value));
        if (element.shadowRoot) look(element.shadowRoot);
      }
    };
    look(document);
    return parts.join("\n");
  });
}
