// One of many processes that share a refresh token: what it is told comes on stdin, a line of JSON each.
// The first is who it is, `{issuer, client_id, resource}`; each further one is the token of a round,
// `{refresh_token}`, which it renews with openid-client and then calls. It says on stdout what came of it.
import { createInterface } from "node:readline";
import * as oauth from "openid-client";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const told = async () => JSON.parse((await lines.next()).value ?? "null");
const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);

const { issuer, client_id, resource } = await told();
const client = await oauth.discovery(
  new URL(issuer),
  client_id,
  { token_endpoint_auth_method: "none" },
  oauth.None(),
  // plain http is for this machine alone
  { execute: [oauth.allowInsecureRequests], algorithm: "oauth2" },
);
say({ ready: true });
for (let round = await told(); round; round = await told()) {
  const renewed = await oauth.refreshTokenGrant(client, round.refresh_token);
  const call = await fetch(`${resource}/orders`, {
    headers: { Authorization: `Bearer ${renewed.access_token}` },
  });
  const { access_token, refresh_token } = renewed;
  say({ access_token, refresh_token, status: call.status });
}
