// @vitest-environment happy-dom
import { act, createElement, type ReactNode, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import {
  type AgentAdmitClient,
  AgentAdmitProvider,
  type Connection,
  type Pages,
  type Resource,
  useConnections,
  useRevoke,
  useScopes,
} from "../../react/src/headless.js";
import { useResource } from "../../react/src/resource.js";
import { server } from "../support/server.js";

beforeAll(() => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
});

let unmount: (() => Promise<void>) | undefined;
afterEach(async () => {
  await unmount?.();
  unmount = undefined;
});

interface Seen<T> {
  current: T;
  again: () => Promise<void>;
}

function Probe<T>({ seen, use }: { seen: Seen<T>; use: () => T }) {
  seen.current = use();
  return null;
}

/** Shows a component that uses a hook; `current` is what the hook answered last. */
async function show<T>(
  client: AgentAdmitClient,
  use: () => T,
  wrap?: (node: ReactNode) => ReactNode,
) {
  const seen: Seen<T> = {
    current: undefined as T,
    again: async () => {},
  };
  const node = () => {
    const inner = createElement(
      AgentAdmitProvider,
      { client },
      createElement(Probe<T>, { seen, use }),
    );
    return wrap ? wrap(inner) : inner;
  };
  const root = createRoot(document.createElement("div"));
  seen.again = () => act(async () => root.render(node()));
  await seen.again();
  unmount = () => act(async () => root.unmount());
  return seen;
}

const connection = (connection_id: string) => ({ connection_id }) as Connection;
const page = (ids: string[], next_cursor: string | null) => ({
  connections: ids.map(connection),
  total: 3,
  next_cursor,
});
const ids = (pages: Pages<Connection>) => pages.data?.map((it) => it.connection_id);

test("a resource is loading, then there", async () => {
  const { asked, client } = server();
  const seen = await show(client, useScopes);
  expect(seen.current).toMatchObject({ data: null, error: null, isLoading: true });
  await asked[0]?.answer({ scopes: [] });
  expect(seen.current).toMatchObject({ data: { scopes: [] }, error: null, isLoading: false });
});

test("an error stays beside what was there, and goes when it is read again", async () => {
  const { asked, client } = server();
  const seen = await show(client, useScopes);
  await asked[0]?.answer({ scopes: [] });
  await act(async () => void seen.current.reload());
  await asked[1]?.answer({ error: "unavailable", error_description: "x", request_id: "r" }, 503);
  expect(seen.current.error?.code).toBe("unavailable");
  expect(seen.current.data).toMatchObject({ scopes: [] });
  await act(async () => void seen.current.reload());
  await asked[2]?.answer({ scopes: [1] });
  expect(seen.current).toMatchObject({ error: null, data: { scopes: [1] } });
});

test("a read that is overtaken is aborted, and its answer counts for nothing", async () => {
  const { asked, client } = server();
  const seen = await show(client, useScopes);
  await act(async () => void seen.current.reload());
  expect(asked[0]?.signal?.aborted).toBe(true);
  await asked[1]?.answer({ scopes: ["new"] });
  await asked[0]?.answer({ scopes: ["old"] });
  expect(seen.current.data).toMatchObject({ scopes: ["new"] });
});

test("nothing of another key is shown", async () => {
  const { client } = server();
  let key = "a";
  const reads: ((value: string) => void)[] = [];
  const read = () => new Promise<string>((done) => reads.push(done));
  const seen = await show<Resource<string>>(client, () => useResource(read, key));
  await act(async () => reads[0]?.("of a"));
  expect(seen.current.data).toBe("of a");
  key = "b";
  await seen.again();
  expect(seen.current.data).toBe(null);
  await act(async () => reads[1]?.("of b"));
  expect(seen.current.data).toBe("of b");
});

test("what is unmounted is aborted, also where effects run twice", async () => {
  const { asked, client } = server();
  await show(client, useScopes, (node) => createElement(StrictMode, null, node));
  expect(asked.filter((it) => !it.signal?.aborted)).toHaveLength(1);
  await unmount?.();
  expect(asked.every((it) => it.signal?.aborted)).toBe(true);
});

test("a list grows by its next page, and begins anew when it is read again", async () => {
  const { asked, client } = server();
  const seen = await show(client, useConnections);
  await asked[0]?.answer(page(["a", "b"], "next"));
  expect([ids(seen.current), seen.current.hasMore]).toEqual([["a", "b"], true]);
  await act(async () => void seen.current.loadMore.run());
  expect(asked[1]?.url).toBe("/agentadmit/connections?cursor=next");
  await asked[1]?.answer(page(["c"], null));
  expect([ids(seen.current), seen.current.hasMore]).toEqual([["a", "b", "c"], false]);
  await act(async () => void seen.current.reload());
  await asked[2]?.answer(page(["b"], null));
  expect(ids(seen.current)).toEqual(["b"]);
});

test("an action runs once at a time", async () => {
  const { asked, client } = server();
  const seen = await show(client, useRevoke);
  const results: unknown[] = [];
  await act(async () => {
    for (let click = 0; click < 3; click++)
      void seen.current.run("conn_x").then((it) => results.push(it));
  });
  expect(asked).toHaveLength(1);
  expect(seen.current.isRunning).toBe(true);
  await asked[0]?.answer({ status: "revoked" });
  expect(results).toEqual([null, null, { status: "revoked" }]);
  expect(seen.current.isRunning).toBe(false);
});

test("an action that failed says why, and can be tried again", async () => {
  const { asked, client } = server();
  const seen = await show(client, useRevoke);
  await act(async () => void seen.current.run("conn_x"));
  await asked[0]?.answer({ error: "not_found", error_description: "x", request_id: "r" }, 404);
  expect(seen.current.error?.code).toBe("not_found");
  await act(async () => void seen.current.run("conn_x"));
  expect(seen.current.error).toBe(null);
  await asked[1]?.answer({ status: "revoked" });
  expect(asked).toHaveLength(2);
});

test("an action is not aborted when its component goes", async () => {
  const { asked, client } = server();
  const seen = await show(client, useRevoke);
  await act(async () => void seen.current.run("conn_x"));
  await unmount?.();
  unmount = undefined;
  expect(asked[0]?.signal ?? null).toBe(null);
});
