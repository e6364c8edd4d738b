// The OAuth half of the official MCP client, which starts from nothing but the resource's address.
import { auth, type OAuthClientProvider } from "@modelcontextprotocol/sdk/client/auth.js";
import type {
  OAuthClientInformationMixed,
  OAuthTokens,
} from "@modelcontextprotocol/sdk/shared/auth.js";
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch } from "../support/browser.js";
import type { World } from "../support/world.js";
import { Callback, granted, oauthWorld, person } from "./support.js";

/** What an MCP host keeps for one server. */
class Host implements OAuthClientProvider {
  sentTo: URL | undefined;
  kept: OAuthTokens | undefined;
  #client: OAuthClientInformationMixed | undefined;
  #verifier = "";

  constructor(readonly redirectUrl: string) {}

  get clientMetadata() {
    return {
      client_name: "MCP host",
      redirect_uris: [this.redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
  }
  clientInformation() {
    return this.#client;
  }
  saveClientInformation(client: OAuthClientInformationMixed) {
    this.#client = client;
  }
  tokens() {
    return this.kept;
  }
  saveTokens(tokens: OAuthTokens) {
    this.kept = tokens;
  }
  redirectToAuthorization(url: URL) {
    this.sentTo = url;
  }
  saveCodeVerifier(verifier: string) {
    this.#verifier = verifier;
  }
  codeVerifier() {
    return this.#verifier;
  }
}

describe.skipIf(!hasBrowser)("the MCP client", () => {
  let world: World;
  let browser: Browser;
  let ada: BrowserContext;
  let callback: Callback;

  beforeAll(async () => {
    [world, browser, callback] = await Promise.all([oauthWorld(), launch(), Callback.listen()]);
    ada = await person(browser, world);
  });
  afterAll(async () => {
    await browser?.close();
    callback?.close();
    world?.end();
  });

  test("finds its way from the resource's address, and refreshes", async () => {
    const host = new Host(callback.address);
    const serverUrl = new URL(world.shop);
    expect(await auth(host, { serverUrl, scope: "read:orders" })).toBe("REDIRECT");
    const sentTo = host.sentTo as URL;
    expect(sentTo.origin).toBe(world.service);
    expect(sentTo.searchParams.get("resource")?.replace(/\/$/, "")).toBe(world.shop);
    const back = await granted(ada, callback, sentTo);
    const authorizationCode = back.searchParams.get("code") as string;
    expect(await auth(host, { serverUrl, authorizationCode })).toBe("AUTHORIZED");
    const first = (host.kept as OAuthTokens).access_token;
    expect(await world.call(first, "/orders")).toBe(200);
    // with tokens that it has, it refreshes
    expect(await auth(host, { serverUrl })).toBe("AUTHORIZED");
    const second = (host.kept as OAuthTokens).access_token;
    expect(second).not.toBe(first);
    expect(await world.call(second, "/orders")).toBe(200);
  });

  test("is told what it lacks, and asks for that", async () => {
    const response = await fetch(`${world.shop}/orders`, {
      headers: {
        Authorization: `Bearer ${await world.connect("u_ada", "Narrow", ["read:profile"])}`,
      },
    });
    expect(response.status).toBe(403);
    const challenge = response.headers.get("www-authenticate");
    expect(challenge).toContain('error="insufficient_scope"');
    expect(challenge).toContain('scope="read:orders"');
    expect(challenge).toContain(`${world.shop}/.well-known/oauth-protected-resource"`);
  });
});
