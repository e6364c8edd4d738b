// The pictures of developers' accounts for the docs.
import type { Browser, Page } from "playwright-core";
import { VIEWPORTS } from "./browser.js";
import { enter, open } from "./dashboard.js";
import { Device } from "./device.js";
import { World } from "./world.js";

type Take = (page: Page, name: string) => Promise<unknown>;

/** One developer with a passkey owns the shop, another one looks after it, a third is invited. */
export async function takeDevelopers(browser: Browser, take: Take): Promise<void> {
  const world = await World.start({ environment: "live", serve: ["--sign-up", "open"] });
  // passkeys are for a name, and an address of numbers has none
  const here = (address: string) => address.replace("127.0.0.1", "localhost");
  const invite = async (role: string) => {
    const invites = `/v1/operator/apps/${world.appId}/invites`;
    return here((await world.asOperator(invites, { role })).url as string);
  };
  const shown = (page: Page) =>
    page.waitForFunction(() => !document.querySelector(".waiting, .said:not(:empty)"));
  try {
    const [owner] = await open(browser);
    await Device.of(owner);
    await owner.goto(await invite("owner"));
    await owner.locator("input[autocomplete=name]").fill("Olga Owner");
    await owner.getByRole("button", { name: "Make the account with a passkey" }).click();
    await owner.locator(".shell").waitFor();
    const [viewer] = await open(browser);
    await viewer.goto(await invite("viewer"));
    await viewer.locator("input[autocomplete=name]").fill("Victor Viewer");
    await viewer.getByRole("button", { name: "Make it without a passkey" }).click();
    await viewer.locator(".shell").waitFor();
    await viewer.context().close();

    await owner.goto(`${here(world.service)}/dashboard/profile`);
    await owner.getByRole("rowheader", { name: "Passkey" }).waitFor();
    await take(owner, "developers-profile-light");
    await owner.emulateMedia({ colorScheme: "dark" });
    await owner.goto(`${here(world.service)}/dashboard/apps/${world.appId}/members`);
    await owner.getByRole("rowheader", { name: /Victor/ }).waitFor();
    await shown(owner);
    await take(owner, "developers-members-dark");
    await owner.context().close();

    const [joining] = await open(browser, { viewport: VIEWPORTS.phone });
    await joining.goto(await invite("viewer"));
    await joining.locator("input[autocomplete=name]").waitFor();
    await take(joining, "developers-join-phone");
    await joining.context().close();

    const [operator] = await enter(browser, world, "/developers");
    await operator.getByRole("rowheader", { name: /Victor/ }).waitFor();
    await shown(operator);
    await take(operator, "developers-light");
    await operator.context().close();
  } finally {
    world.end();
  }
}
