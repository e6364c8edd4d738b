// What the client sends, and what it makes of answers.
import { describe, expect, test } from "vitest";
import { AgentAdmitClient, AgentAdmitError } from "../../react/src/headless.js";

interface Sent {
  url: string;
  init: RequestInit;
}

function client(answer: () => Response | Promise<Response>, base?: string) {
  const sent: Sent[] = [];
  const fetch = async (url: unknown, init: RequestInit = {}) => {
    sent.push({ url: String(url), init });
    return answer();
  };
  const options = base === undefined ? {} : { base };
  return {
    sent,
    client: new AgentAdmitClient({ ...options, fetch: fetch as typeof globalThis.fetch }),
  };
}

const json = (body: unknown, init?: ResponseInit) => () => Response.json(body, init);
const ID = "conn_01h455vb4pex5vsknk084sn02q";

async function errorOf(asked: Promise<unknown>): Promise<AgentAdmitError> {
  const error = await asked.then(
    () => null,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(AgentAdmitError);
  return error as AgentAdmitError;
}

describe("requests", () => {
  test("go to the mounted routes, as JSON, never kept", async () => {
    const { client: own, sent } = client(json({}), "/agents/");
    await own.scopes();
    await own.generateToken({ scopes: ["a:b"] });
    await own.connections({ limit: 2, cursor: "a&b" });
    await own.narrow(ID, { remove_scopes: ["a:b"] });
    await own.revoke(ID);
    await own.activity(ID);
    await own.adminRevoke({ user_id: "u" });
    expect(sent.map(({ url, init }) => `${init.method} ${url} ${init.body ?? ""}`.trim())).toEqual([
      "GET /agents/scopes",
      'POST /agents/connections/generate-token {"scopes":["a:b"]}',
      "GET /agents/connections?limit=2&cursor=a%26b",
      `PATCH /agents/connections/${ID} {"remove_scopes":["a:b"]}`,
      `DELETE /agents/connections/${ID} {}`,
      `GET /agents/connections/${ID}/activity`,
      'POST /agents/admin/connections/revoke {"user_id":"u"}',
    ]);
    for (const { init } of sent) {
      expect(init.cache).toBe("no-store");
      const type = new Headers(init.headers).get("content-type");
      expect(type).toBe(init.body ? "application/json" : null);
    }
  });

  test("have no empty parameter, which would be an error", async () => {
    const { client: own, sent } = client(json({}));
    await own.adminConnections({ user_id: "" });
    expect(sent[0]?.url).toBe("/agentadmit/admin/connections");
  });

  test("name nothing but an id in a path", async () => {
    const { client: own, sent } = client(json({}));
    await own.revoke("../admin/connections/x?y#z");
    expect(sent[0]?.url).toBe("/agentadmit/connections/..%2Fadmin%2Fconnections%2Fx%3Fy%23z");
  });

  test("carry the app's own headers", async () => {
    const sent: RequestInit[] = [];
    const fetch = (async (_: unknown, init: RequestInit) => {
      sent.push(init);
      return Response.json({});
    }) as typeof globalThis.fetch;
    await new AgentAdmitClient({ fetch, headers: async () => ({ "X-Session": "s" }) }).scopes();
    expect(new Headers(sent[0]?.headers).get("x-session")).toBe("s");
  });
});

test("an SDK of before the panels offers the durations that every SDK takes", async () => {
  const { client: own } = client(json({ scopes: [] }));
  const { durations } = await own.scopes();
  expect(durations.map((it) => it.seconds)).toEqual([3_600, 86_400, 604_800, 2_592_000]);
});

describe("errors", () => {
  test("are the error object", async () => {
    const body = {
      error: "rate_limited",
      error_description: "slow",
      field: "scopes",
      request_id: "r1",
    };
    const { client: own } = client(json(body, { status: 429, headers: { "Retry-After": "7" } }));
    const error = await errorOf(own.scopes());
    expect({ ...error }).toMatchObject({
      code: "rate_limited",
      status: 429,
      field: "scopes",
      requestId: "r1",
      retryAfter: 7,
    });
    expect(error.message).toBe("slow");
  });

  test.each([
    ["a page of a proxy", 502, () => new Response("<html>", { status: 502 })],
    ["a page with 200", 200, () => new Response("<html>")],
    ["a list", 200, json([])],
    ["no object", 200, json("yes")],
    ["an error without a code", 500, json({ message: "x" }, { status: 500 })],
    ["null", 400, json(null, { status: 400 })],
  ])("%s is no answer", async (_, status, answer) => {
    const { client: own } = client(answer);
    expect(await errorOf(own.scopes())).toMatchObject({ code: "unexpected", status });
  });

  test("a 401 in the app's own words is that nobody is signed in", async () => {
    for (const answer of [
      json({ detail: "who?" }, { status: 401 }),
      () => new Response("", { status: 401 }),
    ]) {
      const { client: own } = client(answer);
      expect(await errorOf(own.scopes())).toMatchObject({ code: "unauthenticated", status: 401 });
    }
  });

  test("no answer is unreachable", async () => {
    const { client: own } = client(() => Promise.reject(new TypeError("failed")));
    expect(await errorOf(own.scopes())).toMatchObject({ code: "unreachable", status: 0 });
  });

  test("an abort is an abort", async () => {
    const stop = new AbortController();
    stop.abort();
    const { client: own } = client(() => Promise.reject(stop.signal.reason));
    await expect(own.scopes(stop.signal)).rejects.toMatchObject({ name: "AbortError" });
  });
});
