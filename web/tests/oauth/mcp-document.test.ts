// The official MCP client in TypeScript, both of its lines, known by a Client ID Metadata Document: an https
// address is its `client_id`, and nobody registers it. The document lies on this machine, under a
// certificate of an authority that the service is told to trust.
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch } from "../support/browser.js";
import { SCOPES, type World } from "../support/world.js";
import { EXAMPLES, type Example, NOTES_SCOPES, type Running, serve } from "./sdk/servers.js";
import { TYPESCRIPT } from "./sdk/typescript.js";
import { allow, Callback, oauthWorld, person, toConsent } from "./support.js";

const TLS = fileURLToPath(new URL("../../../crates/sdk/tests/client/tls/", import.meta.url));
const AUTHORITY = `${TLS}ca.pem`;
const [, SERVER] = EXAMPLES as [Example, Example];
const LABELLED = TYPESCRIPT.map((sdk) => [`${sdk.name} ${sdk.revision}`, sdk] as const);

/** Documents over https, and how often each was asked for. */
class Documents {
  readonly #server: Server;
  readonly #known = new Map<string, object>();
  readonly asked: string[] = [];

  constructor() {
    const [key, cert] = ["server.key.pem", "good.pem"].map((name) => readFileSync(TLS + name));
    this.#server = createServer(
      { key, cert } as { key: Buffer; cert: Buffer },
      (request, response) => {
        const path = request.url ?? "/";
        this.asked.push(path);
        const document = this.#known.get(path);
        response.writeHead(document ? 200 : 404, { "content-type": "application/json" });
        response.end(JSON.stringify(document ?? {}));
      },
    );
  }

  async listen(): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
  }

  /** Puts a document there: its address. */
  put(path: string, document: object): string {
    const { port } = this.#server.address() as AddressInfo;
    const address = `https://localhost:${port}${path}`;
    this.#known.set(path, { client_id: address, ...document });
    return address;
  }

  end() {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

describe.skipIf(!hasBrowser)("an MCP client with a metadata document", () => {
  let world: World;
  let browser: Browser;
  let ada: BrowserContext;
  let server: Running;
  const documents = new Documents();

  beforeAll(async () => {
    const options = {
      scopes: [...SCOPES, ...NOTES_SCOPES],
      serve: ["--loopback-clients", "--no-client-registration"],
      serviceEnvironment: { SSL_CERT_FILE: AUTHORITY },
    };
    [world, browser] = await Promise.all([oauthWorld(options), launch(), documents.listen()]);
    ada = await person(browser, world);
    server = await serve(world, SERVER);
    const resources = [
      { uri: world.shop, environment: "test" },
      { uri: server.address, environment: "test" },
    ];
    await world.asOperator(
      `/v1/operator/apps/${world.appId}`,
      { settings: { resources } },
      "PATCH",
    );
  });
  afterAll(async () => {
    await browser?.close();
    server?.end();
    documents.end();
    world?.end();
  });

  test.each(LABELLED)("%s: from a 401 to a call, wider, and to its end", async (_, sdk) => {
    const callback = await Callback.listen();
    const name = `Documented ${sdk.name} ${sdk.revision}`;
    const path = `/${LABELLED.findIndex(([, it]) => it === sdk)}.json`;
    const document = documents.put(path, {
      client_name: name,
      redirect_uris: [callback.address],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    });
    let grants = [/Read your notes/];
    const clients: (string | null)[] = [];
    const open = async (url: string) => {
      clients.push(new URL(url).searchParams.get("client_id"));
      const page = await toConsent(ada, url);
      // the host that vouches for it
      await page.getByText("localhost", { exact: false }).first().waitFor();
      await page.getByText(name).first().waitFor();
      const came = callback.next();
      await allow(page, grants);
      const back = (await came).toString();
      await page.close();
      return back;
    };
    const told = {
      server: server.address,
      revision: sdk.revision,
      name,
      redirect: callback.address,
    };
    const client = sdk.make({ ...told, document, open }, {});
    try {
      expect(await client.start()).toBe(sdk.revision);
      expect(await client.tools()).toContain("list_notes");
      await client.call("list_notes");
      expect(documents.asked).toContain(path);

      grants = [/Read your notes/, /Write notes/];
      if (!sdk.stepsUp) {
        await expect(client.call("add_note", { text: name })).rejects.toThrow(
          /insufficient_scope|403/,
        );
        await client.widen();
      }
      expect(await client.call("add_note", { text: name })).toContain("note ");
      expect(clients).toEqual([document, document]);

      await world.asApp("/v1/revoke", { user_id: "u_ada" });
      grants = [];
      const { access } = await client.kept();
      const headers = { Authorization: `Bearer ${access}`, "Content-Type": "application/json" };
      const refused = await fetch(server.address, { method: "POST", headers, body: "{}" });
      expect(refused.status).toBe(401);
    } finally {
      client.end();
      callback.close();
    }
  });
});
