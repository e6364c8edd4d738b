// openid-client, a certified and strict client library for OAuth 2.0, through every grant.
import * as oauth from "openid-client";
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch } from "../support/browser.js";
import type { World } from "../support/world.js";
import { allow, Callback, granted, oauthWorld, person, toConsent } from "./support.js";

/** Plain http is for this machine alone, and a client must be told so. */
const LOCAL = { execute: [oauth.allowInsecureRequests] };

describe.skipIf(!hasBrowser)("openid-client", () => {
  let world: World;
  let browser: Browser;
  let ada: BrowserContext;
  let callback: Callback;
  let client: oauth.Configuration;

  beforeAll(async () => {
    [world, browser, callback] = await Promise.all([
      oauthWorld({ serve: ["--loopback-clients"] }),
      launch(),
      Callback.listen(),
    ]);
    ada = await person(browser, world);
    client = await register({});
  });
  afterAll(async () => {
    await browser?.close();
    callback?.close();
    world?.end();
  });

  function register(more: Partial<oauth.ClientMetadata>, auth?: oauth.ClientAuth) {
    const metadata = {
      client_name: "Generic client",
      redirect_uris: [callback.address],
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      ...more,
    };
    const issuer = new URL(world.service);
    const options = { ...LOCAL, algorithm: "oauth2" as const };
    return oauth.dynamicClientRegistration(issuer, metadata, auth ?? oauth.None(), options);
  }

  /** The app's own credential, as an off-the-shelf client sends it. */
  function asApp(key: string): oauth.Configuration {
    const server = client.serverMetadata();
    const app = new oauth.Configuration(server, world.appId, {}, oauth.ClientSecretPost(key));
    oauth.allowInsecureRequests(app);
    return app;
  }

  async function asked(more: Record<string, string> = {}) {
    const verifier = oauth.randomPKCECodeVerifier();
    const state = oauth.randomState();
    const parameters = {
      redirect_uri: callback.address,
      resource: world.shop,
      scope: "read:orders read:profile",
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      ...more,
    };
    return { parameters, checks: { pkceCodeVerifier: verifier, expectedState: state } };
  }

  async function tokens(configuration = client) {
    const { parameters, checks } = await asked();
    const url = oauth.buildAuthorizationUrl(configuration, parameters);
    const back = await granted(ada, callback, url);
    return oauth.authorizationCodeGrant(configuration, back, checks, { resource: world.shop });
  }

  test("code with PKCE: fewer scopes than asked, and the answer says which", async () => {
    const answer = await tokens();
    expect(answer.token_type).toBe("bearer");
    expect(answer.scope).toBe("read:orders");
    expect(answer.expires_in).toBe(600);
    expect(answer.access_token).toMatch(/^ag_at_/);
    expect(await world.call(answer.access_token, "/orders")).toBe(200);
    expect(await world.call(answer.access_token, "/profile")).toBe(403);
  });

  test("a no is an error that the client understands", async () => {
    const { parameters, checks } = await asked();
    const came = callback.next();
    const page = await toConsent(ada, oauth.buildAuthorizationUrl(client, parameters));
    await page.getByRole("button", { name: "Do not allow" }).click();
    const back = await came;
    const refused = oauth.authorizationCodeGrant(client, back, checks, { resource: world.shop });
    await expect(refused).rejects.toMatchObject({ error: "access_denied" });
    expect(back.searchParams.get("iss")).toBe(world.service);
    await page.close();
  });

  test("a pushed request", async () => {
    const { parameters, checks } = await asked();
    const url = await oauth.buildAuthorizationUrlWithPAR(client, parameters);
    expect([...url.searchParams.keys()].sort()).toEqual(["client_id", "request_uri"]);
    const back = await granted(ada, callback, url);
    const answer = await oauth.authorizationCodeGrant(client, back, checks, {
      resource: world.shop,
    });
    expect(await world.call(answer.access_token, "/orders")).toBe(200);
  });

  test("refresh, and a repeated refresh inside the grace is answered the same", async () => {
    const first = await tokens();
    const once = first.refresh_token as string;
    const second = await oauth.refreshTokenGrant(client, once, { resource: world.shop });
    expect(second.refresh_token).not.toBe(once);
    expect(await world.call(second.access_token, "/orders")).toBe(200);
    const again = await oauth.refreshTokenGrant(client, once, { resource: world.shop });
    expect(again.access_token).toBe(second.access_token);
    const third = await oauth.refreshTokenGrant(client, second.refresh_token as string);
    expect(await world.call(third.access_token, "/orders")).toBe(200);
  });

  test("introspection by the resource, and revocation by the client", async () => {
    const { api_key: key } = await world.asOperator(`/v1/operator/apps/${world.appId}/api-keys`, {
      environment: "test",
      permissions: ["verify"],
    });
    const app = asApp(key as string);
    const answer = await tokens();
    const said = await oauth.tokenIntrospection(app, answer.access_token);
    expect(said).toMatchObject({
      active: true,
      scope: "read:orders",
      client_id: client.clientMetadata().client_id,
      aud: world.shop,
      sub: "u_ada",
    });
    await oauth.tokenRevocation(client, answer.refresh_token as string);
    expect(await oauth.tokenIntrospection(app, answer.access_token)).toEqual({ active: false });
    expect(await world.call(answer.access_token, "/orders")).toBe(401);
    const dead = oauth.refreshTokenGrant(client, answer.refresh_token as string);
    await expect(dead).rejects.toMatchObject({ error: "invalid_grant" });
  });

  test.each(["client_secret_basic", "client_secret_post"])(
    "a client with a secret: %s",
    async (method) => {
      const kind =
        method === "client_secret_basic" ? oauth.ClientSecretBasic() : oauth.ClientSecretPost();
      const confidential = await register({ token_endpoint_auth_method: method }, kind);
      const answer = await tokens(confidential);
      expect(await world.call(answer.access_token, "/orders")).toBe(200);
    },
  );

  test("a client that is known by its metadata document", async () => {
    const clientId = new URL("/client.json", callback.address).toString();
    callback.document = {
      client_id: clientId,
      client_name: "Documented client",
      redirect_uris: [callback.address],
      token_endpoint_auth_method: "none",
    };
    const options = { ...LOCAL, algorithm: "oauth2" as const };
    const documented = await oauth.discovery(
      new URL(world.service),
      clientId,
      { token_endpoint_auth_method: "none" },
      oauth.None(),
      options,
    );
    expect(documented.serverMetadata().client_id_metadata_document_supported).toBe(true);
    const { parameters, checks } = await asked();
    const page = await toConsent(ada, oauth.buildAuthorizationUrl(documented, parameters));
    await page.getByText("Documented client").first().waitFor();
    const came = callback.next();
    await allow(page, [/See your orders/]);
    const answer = await oauth.authorizationCodeGrant(documented, await came, checks, {
      resource: world.shop,
    });
    expect(await world.call(answer.access_token, "/orders")).toBe(200);
    const second = await oauth.refreshTokenGrant(documented, answer.refresh_token as string);
    expect(await world.call(second.access_token, "/orders")).toBe(200);
    await page.close();
  });

  test("the device grant", async () => {
    const device = await register({
      grant_types: ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
    });
    const started = await oauth.initiateDeviceAuthorization(device, {
      scope: "read:orders",
      resource: world.shop,
    });
    expect(started.user_code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
    const polled = oauth.pollDeviceAuthorizationGrant(device, started);
    const page = await toConsent(ada, started.verification_uri_complete as string);
    await allow(page, [/See your orders/]);
    await page.getByRole("heading", { name: "The device may begin" }).waitFor();
    const answer = await polled;
    expect(await world.call(answer.access_token, "/orders")).toBe(200);
    expect(answer.refresh_token).toMatch(/^ag_rt_/);
  });
});
