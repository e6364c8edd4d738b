// The panels' calls against the sample shop on axum; the same file is played against FastAPI, Flask
// and Django in python/tests. And the file names every call that the panels' client can make.
import { afterAll, beforeAll, expect, test } from "vitest";
import { AgentAdmitClient } from "../../react/src/headless.js";
import { CALLS, play, wrong } from "../support/panel-calls.js";
import { World } from "../support/world.js";

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world?.end());

async function session(login: string, password: string): Promise<Record<string, string>> {
  const body = new URLSearchParams({ login, password });
  const answer = await fetch(`${world.shop}/login`, { method: "POST", body, redirect: "manual" });
  return { Cookie: answer.headers.get("set-cookie")?.split(";")[0] ?? "" };
}

test("the shop on axum answers them", async () => {
  const [user, admin] = [
    await session("ada", "difference-engine"),
    await session("grace", "compiler-1952"),
  ];
  const names = { scope: "read:orders", more: "create:refunds", user: "u_ada" };
  await play({ origin: world.shop, sessions: { user, admin, other: admin }, names });
});

/** Every method of the client, as the panels call it. */
const ASKED: Record<string, (client: AgentAdmitClient) => Promise<unknown>> = {
  scopes: (client) => client.scopes(),
  promptTemplates: (client) => client.promptTemplates(),
  generateToken: (client) => client.generateToken({ scopes: ["a:b"] }),
  connections: (client) => client.connections(),
  activity: (client) => client.activity("ID", { limit: 20 }),
  narrow: (client) => client.narrow("ID", { remove_scopes: ["a:b"] }),
  revoke: (client) => client.revoke("ID"),
  openConsent: (client) => client.openConsent({ scopes: ["a:b"] }),
  adminConnections: (client) => client.adminConnections(),
  adminUsage: (client) => client.adminUsage(),
  adminActivity: (client) => client.adminActivity({ limit: 20 }),
  adminRevoke: (client) => client.adminRevoke({ user_id: "u" }),
};

test("the file names every call of the panels, and no other", async () => {
  const methods = Object.getOwnPropertyNames(AgentAdmitClient.prototype);
  expect(Object.keys(ASKED).sort()).toEqual(methods.filter((it) => it !== "constructor").sort());
  const listed = CALLS.flatMap(({ client, method, path, body }) =>
    client
      ? [`${client} ${method} ${path.replace(/\?.*|\{\w+\}/g, "")} ${body !== undefined}`]
      : [],
  );
  const made: string[] = [];
  for (const [name, ask] of Object.entries(ASKED)) {
    const fetch = async (url: unknown, init: RequestInit = {}) => {
      const path = String(url).replace("/agentadmit", "").replace("ID", "").replace(/\?.*/, "");
      made.push(`${name} ${init.method} ${path} ${init.body !== undefined}`);
      return Response.json({});
    };
    await ask(new AgentAdmitClient({ fetch: fetch as typeof globalThis.fetch }));
  }
  expect([...new Set(listed)].sort()).toEqual(made.sort());
});

test("a shape is not met by less, by more, or by something else", () => {
  expect(wrong({ total: 1, connections: [], next_cursor: null }, "connections")).toEqual([]);
  expect(wrong({ connections: [], next_cursor: null }, "connections")).toEqual([
    "/total is missing",
  ]);
  const more = { total: "1", connections: [{}], next_cursor: null, token: "x" };
  const found = wrong(more, "connections").join("; ");
  expect(found).toContain('/total is "1", not number');
  expect(found).toContain("/connections/0/status is missing");
  expect(found).toContain("/token stands in no contract");
  expect(wrong("2026-01-02", "time")).toHaveLength(1);
});
