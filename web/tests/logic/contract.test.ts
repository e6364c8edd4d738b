// The client against the shop: every route that the panels call answers what their types say. The
// members of what the service answers are in contract.ts, which is generated; these are the SDK's.
import { afterAll, beforeAll, expect, test } from "vitest";
import { AgentAdmitClient, type AgentAdmitError } from "../../react/src/headless.js";
import { SCOPES, World } from "../support/world.js";

let world: World;
let ada: AgentAdmitClient;
let grace: AgentAdmitClient;

async function signedIn(login: string, password: string): Promise<AgentAdmitClient> {
  const body = new URLSearchParams({ login, password });
  const answer = await fetch(`${world.shop}/login`, { method: "POST", body, redirect: "manual" });
  const cookie = answer.headers.get("set-cookie")?.split(";")[0] ?? "";
  const headers = () => ({ Cookie: cookie, Origin: world.shop });
  return new AgentAdmitClient({ base: `${world.shop}/agentadmit`, headers });
}

beforeAll(async () => {
  world = await World.start();
  ada = await signedIn("ada", "difference-engine");
  grace = await signedIn("grace", "compiler-1952");
});
afterAll(() => world?.end());

test("what a user may grant", async () => {
  const offer = await ada.scopes();
  expect(offer).toEqual({
    scopes: SCOPES.map((scope) => ({ sensitive: false, admin: false, ...scope })),
    durations: [
      { label: "One hour", seconds: 3_600 },
      { label: "One week", seconds: 604_800 },
      { label: "Thirty days", seconds: 2_592_000 },
    ],
    app: { name: "Corner shop" },
  });
  expect(await ada.promptTemplates()).toEqual({ prompt_templates: [] });
});

test("grant, look, narrow, end", async () => {
  const granted = await ada.generateToken({
    scopes: ["read:orders", "create:refunds"],
    duration_seconds: 604_800,
    purpose: "A test",
    user_intent: "Bread",
    agent_label: "Baker",
  });
  expect(Object.keys(granted).sort()).toEqual(
    ["connection_id", "expires_at", "prompt", "scopes", "token", "token_expires_at"].sort(),
  );
  const access = await world.exchange(granted.token);
  expect(await world.call(access, "/orders")).toBe(200);

  const { connections, total, next_cursor } = await ada.connections({ status: "active", limit: 5 });
  expect([connections.length, total, next_cursor]).toEqual([1, 1, null]);
  expect(connections[0]).toMatchObject({
    connection_id: granted.connection_id,
    status: "active",
    agent_label: "Baker",
    user_intent: "Bread",
    purpose: "A test",
  });
  const { events } = await ada.activity(granted.connection_id, { event: "verified" });
  expect(events).toMatchObject([
    { event: "verified", outcome: "allowed", method: "GET", endpoint: "/orders" },
  ]);

  const earlier = new Date(Date.now() + 3_600_000).toISOString();
  const narrowing = { remove_scopes: ["create:refunds"], expires_at: earlier };
  const narrowed = await ada.narrow(granted.connection_id, narrowing);
  expect(narrowed).toMatchObject({ scopes: ["read:orders"], expires_at: earlier });
  expect(await ada.revoke(granted.connection_id)).toMatchObject({ status: "revoked" });
  expect(await world.call(access, "/orders")).toBe(401);
});

test("what the admin sees and ends", async () => {
  const access = await world.connect("u_ada", "Porter", ["read:orders"]);
  const { connections } = await grace.adminConnections({ user_id: "u_ada", status: "active" });
  expect(connections).toMatchObject([{ agent_label: "Porter", user_id: "u_ada" }]);
  const today = new Date().toISOString().slice(0, 10);
  const usage = await grace.adminUsage({ from: today, to: today });
  expect(usage).toMatchObject({ environment: "test", active_connections: 1 });
  expect((await grace.adminActivity({ user_id: "u_ada", limit: 1 })).events).toHaveLength(1);
  expect(await grace.adminRevoke({ user_id: "u_ada" })).toMatchObject({
    status: "revoked",
    count: 1,
  });
  expect(await world.call(access, "/orders")).toBe(401);
});

test("the hosted page is opened, for one browser", async () => {
  const opened = await ada.openConsent({ purpose: "Bread", preselected: ["read:orders"] });
  expect(opened.session_id).toMatch(/^cs_/);
  expect(opened.session_url).toContain(`/consent/${opened.session_id}?code=`);
  expect(Date.parse(opened.expires_at)).toBeGreaterThan(Date.now());
});

test.each([
  [
    "no such scope",
    () => ada.generateToken({ scopes: ["no:such"] }),
    400,
    "invalid_scope",
    "scopes",
  ],
  [
    "no such duration",
    () => ada.generateToken({ scopes: ["read:orders"], duration_seconds: 61 }),
    400,
    "invalid_duration",
    "duration_seconds",
  ],
  [
    "hidden characters",
    () => ada.generateToken({ scopes: ["read:orders"], agent_label: "\u202e" }),
    422,
    "invalid_request",
    "agent_label",
  ],
  [
    "somebody else's",
    () => grace.revoke("conn_01h455vb4pex5vsknk084sn02q"),
    404,
    "not_found",
    null,
  ],
  ["not an admin", () => ada.adminConnections(), 403, "forbidden", null],
  [
    "a scope on the hosted page that is none",
    () => ada.openConsent({ scopes: ["no:scope"] }),
    400,
    "invalid_scope",
    "scopes",
  ],
])("%s", async (_, ask, status, code, field) => {
  const error = await ask().then(
    () => null,
    (error: AgentAdmitError) => error,
  );
  expect(error).toMatchObject({ status, code, field });
});
