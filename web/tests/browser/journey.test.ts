// A user lets an agent in, looks at what it did, takes something away, ends it: by mouse, in two
// sizes, and by keyboard alone.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { choose, hasBrowser, launch, VIEWPORTS, type Visit, visit } from "../support/browser.js";
import { World } from "../support/world.js";

describe.skipIf(!hasBrowser)("the panel's journey", () => {
  let world: World;
  let browser: Browser;

  beforeAll(async () => {
    [world, browser] = await Promise.all([World.start(), launch()]);
  });
  afterAll(async () => {
    await browser?.close();
    world?.end();
  });

  async function open(how: Visit = {}): Promise<Page> {
    const page = await visit(browser, world, how);
    await page.goto(`${world.shop}/agentadmit`);
    await page.getByRole("button", { name: "Make a token" }).waitFor();
    return page;
  }

  test.each(Object.entries(VIEWPORTS))("by mouse on a %s", async (size, viewport) => {
    const page = await open({ viewport });
    const name = `Mouse on ${size}`;
    for (const box of await page.getByRole("checkbox").all()) {
      expect(await box.isChecked(), "nothing is chosen beforehand").toBe(false);
    }
    await page.getByRole("button", { name: "Make a token" }).click();
    await page.getByText("Choose at least one thing that it may do.").waitFor();
    expect(await focused(page), "there it can be put right").toMatch(/See your orders/);

    await choose(page, /See your orders/);
    await choose(page, /Ask for your money back/);
    await page.getByText("Could cost money").waitFor();
    await page.getByText("One week").click();
    await page.getByLabel("What do you call this agent?").fill(name);
    await page.getByLabel("What is it for?").fill("Sort my orders");
    await page.getByRole("button", { name: "Make a token" }).click();

    const message = await page.getByLabel("Message for your agent").inputValue();
    const token = message.match(/ag_ct_\w+/)?.[0] ?? "";
    expect(message).toContain(world.shop);
    await page.getByText("Show the token alone").click();
    expect(await page.getByLabel("Token", { exact: true }).inputValue()).toBe(token);

    // the agent, somewhere else
    const access = await world.exchange(token);
    await page.getByText("Your agent is connected.").waitFor();
    expect(await world.call(access, "/orders")).toBe(200);
    expect(await world.call(access, "/refunds", "POST")).toBe(200);
    await page.getByRole("button", { name: "Done" }).click();

    const row = page.getByRole("listitem", { name });
    await row.getByText("Active").waitFor();
    await row.getByText("Sort my orders").waitFor();
    await row.getByRole("button", { name: `What it did: ${name}` }).click();
    await row.getByText("POST /refunds").first().waitFor();

    await row.getByRole("button", { name: `Change: ${name}` }).click();
    await row.getByRole("checkbox", { name: /Ask for your money back/ }).uncheck();
    await row.getByLabel("It ends").selectOption("3600");
    await row.getByRole("button", { name: "Save" }).click();
    await page.getByText("Saved. It holds from now on.").waitFor();
    expect(await world.call(access, "/refunds", "POST")).toBe(403);
    expect(await world.call(access, "/orders")).toBe(200);
    await expect.poll(() => row.getByText("Ask for your money back").count()).toBe(0);

    await row.getByRole("button", { name: `End access: ${name}` }).click();
    await row.getByRole("button", { name: "Keep it" }).click();
    expect(await world.call(access, "/orders"), "kept").toBe(200);
    await row.getByRole("button", { name: `End access: ${name}` }).click();
    await row.getByRole("button", { name: "Yes, end it" }).click();
    await page.getByText(`The access of ${name} has ended.`).waitFor();
    expect(await world.call(access, "/orders")).toBe(401);
    await page.context().close();
  });

  test("by keyboard alone", async () => {
    const page = await open();
    const keys = page.keyboard;
    /** Goes on by Tab until the focus is on what is looked for. */
    const tabTo = async (wanted: RegExp) => {
      for (let presses = 0; presses < 60; presses++) {
        await keys.press("Tab");
        if (wanted.test(await focused(page))) return;
      }
      throw new Error(`no way to ${wanted} by Tab; the focus is on ${await focused(page)}`);
    };
    await tabTo(/See your orders/);
    await keys.press("Space");
    await tabTo(/Ends on|One hour/);
    await keys.press("ArrowDown");
    await tabTo(/What do you call this agent/);
    await keys.type("Keyboard");
    await tabTo(/What is it for/);
    await keys.type("No mouse");
    await keys.press("Enter");

    await page.getByLabel("Message for your agent").waitFor();
    await expect
      .poll(() => focused(page), { message: "the focus follows" })
      .toMatch(/Hand this to your agent/);
    const message = await page.getByLabel("Message for your agent").inputValue();
    const access = await world.exchange(message.match(/ag_ct_\w+/)?.[0] ?? "");
    await page.getByText("Your agent is connected.").waitFor();
    await tabTo(/^Done/);
    await keys.press("Enter");

    await page.getByRole("listitem", { name: "Keyboard" }).waitFor();
    await expect.poll(() => focused(page), { message: "on to the list" }).toMatch(/Agents that/);
    await tabTo(/What it did: Keyboard/);
    await keys.press("Enter");
    await page.getByText("The agent connected").waitFor();
    await tabTo(/End access: Keyboard/);
    await keys.press("Enter");
    await expect
      .poll(() => focused(page), { message: "the harmless answer comes first" })
      .toMatch(/Keep it/);
    await keys.press("Escape");
    await expect
      .poll(() => focused(page), { message: "back where it came from" })
      .toMatch(/End access:/);
    await keys.press("Enter");
    await expect.poll(() => focused(page)).toMatch(/Keep it/);
    await keys.press("Shift+Tab");
    await keys.press("Enter");
    await expect.poll(() => focused(page)).toBe("The access of Keyboard has ended.");
    expect(await world.call(access, "/orders")).toBe(401);
    await page.context().close();
  });

  test("a second click sends nothing, and an answer that never came is said", async () => {
    const page = await open();
    let sent = 0;
    let answer: () => void = () => {};
    const held = new Promise<void>((done) => {
      answer = done;
    });
    await page.route("**/generate-token", async (route) => {
      sent += 1;
      await held;
      await route.abort();
    });
    await choose(page, /Follow where a parcel is/);
    const button = page.getByRole("button", { name: /Make a token|Making the token/ });
    await button.click();
    await page.getByRole("button", { name: "Making the token…" }).waitFor();
    await button.click({ force: true });
    await button.press("Enter");
    answer();
    await page.getByText("The app cannot be reached.").waitFor();
    expect(sent).toBe(1);
    await page.context().close();
  });

  test("whoever was signed out is told so, and what they typed stays", async () => {
    const page = await open();
    await choose(page, /Follow where a parcel is/);
    await page.getByLabel("What do you call this agent?").fill("Late");
    await page.context().clearCookies();
    await page.getByRole("button", { name: "Make a token" }).click();
    await page.getByText("You are signed out.").waitFor();
    expect(await page.getByLabel("What do you call this agent?").inputValue()).toBe("Late");
    await page.goto(`${world.shop}/agentadmit`);
    await page.getByText("Sign in first, then come back to this page.").waitFor();
    await page.context().close();
  });

  test("text that cannot be used is said at its field", async () => {
    const page = await open();
    await choose(page, /Follow where a parcel is/);
    await page.getByLabel("What do you call this agent?").fill("trick\u202e");
    await page.getByRole("button", { name: "Make a token" }).click();
    await page.getByText("Use 1 to 100 characters").waitFor();
    await page.context().close();
  });
});

/** What has the focus, by its name and text. */
function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    if (!element) return "";
    const root = element.getRootNode() as Document | ShadowRoot;
    const labels = [...((element as HTMLInputElement).labels ?? [])].map((it) => it.textContent);
    const by = (element.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean);
    const named = by.map((id) => root.getElementById(id)?.textContent);
    return [element.getAttribute("aria-label"), ...labels, ...named, element.textContent]
      .join(" ")
      .trim();
  });
}
