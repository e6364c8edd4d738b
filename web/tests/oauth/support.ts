// A world for clients that never heard of AgentAdmit: the service, the sample shop as their resource, a
// person in Chromium who says yes, and the address that the person's browser comes back to.
import { createServer, type Server } from "node:http";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { visit } from "../support/browser.js";
import { freePort } from "../support/ports.js";
import { World, type WorldOptions } from "../support/world.js";

/** The service and the shop, which is registered as a resource and says who its people are. */
export async function oauthWorld(options: WorldOptions = {}): Promise<World> {
  const world = await World.start(options);
  const settings = {
    resources: [{ uri: world.shop, environment: options.environment ?? "test" }],
    login_url: `${world.shop}/agentadmit/authorize`,
  };
  await world.asOperator(`/v1/operator/apps/${world.appId}`, { settings }, "PATCH");
  return world;
}

/** Where a client waits for the browser to come back, and where it may have a document of its own. */
export class Callback {
  readonly address: string;
  /** What stands at `/client.json`. */
  document: object | undefined;
  readonly #server: Server;
  #came: ((url: URL) => void) | undefined;

  private constructor(port: number, server: Server) {
    this.address = `http://127.0.0.1:${port}/callback`;
    this.#server = server;
    server.on("request", (request, response) => {
      if (request.url === "/client.json" && this.document) {
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify(this.document));
        return;
      }
      response.setHeader("content-type", "text/html");
      response.end("<!doctype html><title>Client</title><h1>You can close this page</h1>");
      const url = new URL(request.url ?? "/", this.address);
      if (url.pathname === "/callback") this.#came?.(url);
    });
  }

  static async listen(): Promise<Callback> {
    const port = await freePort();
    const server = createServer();
    await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
    return new Callback(port, server);
  }

  /** The address by which the next browser comes back. */
  next(): Promise<URL> {
    return new Promise((came) => {
      this.#came = came;
    });
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** A person who is signed in at the shop. */
export async function person(
  browser: Browser,
  world: World,
  login: "ada" | "grace" = "ada",
): Promise<BrowserContext> {
  return (await visit(browser, world, { login })).context();
}

/** Follows a client's link to the consent page. */
export async function toConsent(context: BrowserContext, url: string | URL): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url.toString());
  const ask = page.getByRole("button", { name: "Allow", exact: true });
  // a device's page first wants to know whether the code is that of the person's device
  const confirm = page.getByRole("button", { name: "Go on", exact: true });
  await ask.or(confirm).waitFor();
  if (await confirm.isVisible()) await confirm.click();
  await ask.waitFor();
  return page;
}

/** Says yes to these, and to nothing else that can be unchecked. */
export async function allow(page: Page, scopes: RegExp[]): Promise<void> {
  for (const box of await page.getByRole("checkbox").all()) {
    if (await box.isEnabled()) await box.uncheck();
  }
  for (const scope of scopes) await page.getByRole("checkbox", { name: scope }).check();
  await page.getByRole("button", { name: "Allow", exact: true }).click();
}

/** A whole visit: the link, a yes, and the address that the client hears. */
export async function granted(
  context: BrowserContext,
  callback: Callback,
  url: string | URL,
  scopes: RegExp[] = [/See your orders/],
): Promise<URL> {
  const came = callback.next();
  const page = await toConsent(context, url);
  await allow(page, scopes);
  const back = await came;
  await page.close();
  return back;
}
