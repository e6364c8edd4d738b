// A generic client that signs who it is (`private_key_jwt`, RFC 7523), and our own grant as a generic client
// sends any grant that it was never taught.
import * as oauth from "openid-client";
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch } from "../support/browser.js";
import type { World } from "../support/world.js";
import { allow, Callback, granted, oauthWorld, person, toConsent } from "./support.js";

const LOCAL = { execute: [oauth.allowInsecureRequests], algorithm: "oauth2" as const };
const CONNECTION_TOKEN = "urn:agentadmit:params:oauth:grant-type:connection-token";

/** How keys are made, by the word for what they sign with. */
const KEYS: Record<string, EcKeyGenParams | RsaHashedKeyGenParams> = {
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  PS256: {
    name: "RSA-PSS",
    hash: "SHA-256",
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
  },
};

/** A key pair: its public half as a JWK set says it. */
async function keyPair(alg: string) {
  const pair = (await crypto.subtle.generateKey(KEYS[alg] as EcKeyGenParams, true, [
    "sign",
    "verify",
  ])) as CryptoKeyPair;
  const { key_ops: _, ext: __, ...jwk } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const kid = `${alg} of today`;
  return { jwks: { keys: [{ ...jwk, kid, use: "sig" }] }, key: pair.privateKey, kid };
}

describe.skipIf(!hasBrowser)("openid-client, with a key of its own", () => {
  let world: World;
  let browser: Browser;
  let ada: BrowserContext;
  let callback: Callback;

  beforeAll(async () => {
    [world, browser, callback] = await Promise.all([
      oauthWorld({ serve: ["--loopback-clients"] }),
      launch(),
      Callback.listen(),
    ]);
    ada = await person(browser, world);
  });
  afterAll(async () => {
    await browser?.close();
    callback?.close();
    world?.end();
  });

  function metadata(more: object) {
    return {
      client_name: "Signing client",
      redirect_uris: [callback.address],
      token_endpoint_auth_method: "private_key_jwt",
      ...more,
    };
  }

  function register(more: object, auth: oauth.ClientAuth): Promise<oauth.Configuration> {
    const issuer = new URL(world.service);
    return oauth.dynamicClientRegistration(issuer, metadata(more), auth, LOCAL);
  }

  async function asked() {
    const verifier = oauth.randomPKCECodeVerifier();
    const state = oauth.randomState();
    const parameters = {
      redirect_uri: callback.address,
      resource: world.shop,
      scope: "read:orders",
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
    };
    return { parameters, checks: { pkceCodeVerifier: verifier, expectedState: state } };
  }

  /** A pushed request, a person's yes, tokens, new tokens, and the end: each of them is signed. */
  async function goesTheWholeWay(client: oauth.Configuration): Promise<void> {
    const { parameters, checks } = await asked();
    const pushed = await oauth.buildAuthorizationUrlWithPAR(client, parameters);
    expect([...pushed.searchParams.keys()].sort()).toEqual(["client_id", "request_uri"]);
    const back = await granted(ada, callback, pushed);
    const first = await oauth.authorizationCodeGrant(client, back, checks);
    expect(await world.call(first.access_token, "/orders")).toBe(200);
    const second = await oauth.refreshTokenGrant(client, first.refresh_token as string);
    expect(await world.call(second.access_token, "/orders")).toBe(200);
    await oauth.tokenRevocation(client, second.refresh_token as string);
    expect(await world.call(second.access_token, "/orders")).toBe(401);
  }

  test.each(Object.keys(KEYS))("a registered one, %s", async (alg) => {
    const { jwks, key, kid } = await keyPair(alg);
    const client = await register({ jwks }, oauth.PrivateKeyJwt({ key, kid }));
    expect(client.serverMetadata().token_endpoint_auth_signing_alg_values_supported).toContain(alg);
    await goesTheWholeWay(client);
  });

  test("one that is known by its metadata document", async () => {
    const { jwks, key, kid } = await keyPair("ES256");
    const clientId = new URL("/client.json", callback.address).toString();
    callback.document = { client_id: clientId, ...metadata({ jwks }) };
    const signed = oauth.PrivateKeyJwt({ key, kid });
    const client = await oauth.discovery(new URL(world.service), clientId, {}, signed, LOCAL);
    await goesTheWholeWay(client);
  });

  test("the device grant", async () => {
    const { jwks, key } = await keyPair("ES256");
    const grant_types = ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"];
    const client = await register({ jwks, grant_types }, oauth.PrivateKeyJwt(key));
    const started = await oauth.initiateDeviceAuthorization(client, {
      scope: "read:orders",
      resource: world.shop,
    });
    const polled = oauth.pollDeviceAuthorizationGrant(client, started);
    const page = await toConsent(ada, started.verification_uri_complete as string);
    await allow(page, [/See your orders/]);
    const answer = await polled;
    expect(await world.call(answer.access_token, "/orders")).toBe(200);
    await page.close();
  });

  test("another key than the registered one proves nothing", async () => {
    const { jwks } = await keyPair("ES256");
    const { key } = await keyPair("ES256");
    const client = await register({ jwks }, oauth.PrivateKeyJwt(key));
    const refused = oauth.buildAuthorizationUrlWithPAR(client, (await asked()).parameters);
    await expect(refused).rejects.toMatchObject({ status: 401 });
  });

  /** What a person hands to an agent. */
  async function handedOver(): Promise<string> {
    const wanted = { user_id: "u_ada", scopes: ["read:orders"], duration_seconds: 3_600 };
    const issued = await world.asApp(`/v1/apps/${world.appId}/token`, wanted);
    return issued.token as string;
  }

  test("the grant of a token that a human handed over", async () => {
    const { jwks, key } = await keyPair("ES256");
    for (const [name, client] of Object.entries({
      "No secrets": await register(
        { client_name: "No secrets", token_endpoint_auth_method: "none" },
        oauth.None(),
      ),
      "Signing client": await register({ jwks }, oauth.PrivateKeyJwt(key)),
    })) {
      const supported = client.serverMetadata().grant_types_supported;
      expect(supported).toContain(CONNECTION_TOKEN);
      const connection_token = await handedOver();
      const exchange = () =>
        oauth.genericGrantRequest(client, CONNECTION_TOKEN, { connection_token });
      const answer = await exchange();
      expect(answer).toMatchObject({ token_type: "bearer", scope: "read:orders" });
      // it lasts as long as the person said: nothing is to be refreshed
      expect(answer.refresh_token).toBeUndefined();
      expect(answer.expires_in).toBeGreaterThan(3_500);
      expect(await world.call(answer.access_token, "/orders")).toBe(200);
      expect(await world.call(answer.access_token, "/profile")).toBe(403);
      // the client's name is what the person's list calls the agent
      const list = await world.asApp("/v1/connections?user_id=u_ada&status=active");
      const labels = (list.connections as { agent_label: string }[]).map((one) => one.agent_label);
      expect(labels).toContain(name);
      // once: the second presentation is a thief's, and ends what the first one got
      await expect(exchange()).rejects.toMatchObject({ error: "invalid_grant" });
      expect(await world.call(answer.access_token, "/orders")).toBe(401);
    }
  });

  test("and its end, which the client asks for as of any token", async () => {
    const none = { client_name: "No secrets", token_endpoint_auth_method: "none" };
    const client = await register(none, oauth.None());
    const connection_token = await handedOver();
    const answer = await oauth.genericGrantRequest(client, CONNECTION_TOKEN, { connection_token });
    expect(await world.call(answer.access_token, "/orders")).toBe(200);
    await oauth.tokenRevocation(client, answer.access_token);
    expect(await world.call(answer.access_token, "/orders")).toBe(401);
  });
});
