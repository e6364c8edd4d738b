import { useCallback, useEffect, useState } from "react";
import { useAgentAdmit } from "./provider.js";
import { type Action, type Resource, useAction, useResource } from "./resource.js";
import type {
  Activity,
  AdminActivityQuery,
  AdminConnectionsQuery,
  AdminRevocation,
  Connection,
  ConnectionStatus,
  ConsentRequest,
  ConsentSession,
  Grantable,
  Granted,
  GrantRequest,
  Narrowing,
  PromptTemplate,
  Revoked,
  Usage,
  UsageQuery,
} from "./types.js";

/** Pages of a list, newest first, that grow at the end. */
export interface Pages<T> extends Resource<T[]> {
  /** How many there are in all; `null` where the app does not say. */
  total: number | null;
  hasMore: boolean;
  loadMore: Action<[], void>;
}

interface Page<T> {
  items: T[];
  total: number | null;
  next: string | null;
}

function usePages<T>(
  read: (cursor: string | undefined, signal?: AbortSignal) => Promise<Page<T>>,
  key: string,
): Pages<T> {
  const first = useResource((signal) => read(undefined, signal), key);
  const [later, setLater] = useState<{ after: Page<T>; items: T[]; next: string | null } | null>(
    null,
  );
  // what was read after a first page that is no longer the first page does not follow it
  const grown = later && later.after === first.data ? later : null;
  const next = grown ? grown.next : (first.data?.next ?? null);
  const loadMore = useAction(async () => {
    const after = first.data;
    if (!after || !next) return;
    const page = await read(next);
    setLater({ after, items: [...(grown?.items ?? []), ...page.items], next: page.next });
  });
  return {
    data: first.data && (grown ? [...first.data.items, ...grown.items] : first.data.items),
    total: first.data?.total ?? null,
    error: first.error,
    isLoading: first.isLoading,
    reload: first.reload,
    hasMore: next !== null,
    loadMore,
  };
}

/** What the signed-in user may grant, for how long, and what the app is called. */
export function useScopes(): Resource<Grantable> {
  const client = useAgentAdmit();
  return useResource((signal) => client.scopes(signal), client.base);
}

/** The user's own connections. */
export function useConnections(query: { status?: ConnectionStatus } = {}): Pages<Connection> {
  const client = useAgentAdmit();
  return usePages(
    async (cursor, signal) =>
      ofConnections(await client.connections(withCursor(query, cursor), signal)),
    `${client.base} ${query.status}`,
  );
}

/** What the agent of a connection did, newest first. */
export function useActivity(connectionId: string): Pages<Activity> {
  const client = useAgentAdmit();
  return usePages(async (cursor, signal) => {
    const query = withCursor({ limit: 20 }, cursor);
    return ofActivity(await client.activity(connectionId, query, signal));
  }, `${client.base} ${connectionId}`);
}

/** The texts of the app that people start an agent with. */
export function usePromptTemplates(): Resource<PromptTemplate[]> {
  const client = useAgentAdmit();
  return useResource(
    async (signal) => (await client.promptTemplates(signal)).prompt_templates,
    client.base,
  );
}

/**
 * Makes a connection token. It is the caller's to show once and to forget: nothing here keeps it.
 */
export function useGenerateToken(): Action<[GrantRequest], Granted> {
  const client = useAgentAdmit();
  return useAction((request) => client.generateToken(request));
}

/** Takes scopes away from a connection, or brings its end forward. */
export function useNarrow(): Action<[id: string, Narrowing], Connection> {
  const client = useAgentAdmit();
  return useAction((id, request) => client.narrow(id, request));
}

/** Ends a connection of the user's own. */
export function useRevoke(): Action<[id: string], Revoked> {
  const client = useAgentAdmit();
  return useAction((id) => client.revoke(id));
}

/** Opens a session of the hosted consent page; where it leads is in the answer. */
export function useConsentSession(): Action<[ConsentRequest], ConsentSession> {
  const client = useAgentAdmit();
  return useAction((request) => client.openConsent(request));
}

/** For the app's admins: everybody's connections. */
export function useAdminConnections(query: AdminConnectionsQuery = {}): Pages<Connection> {
  const client = useAgentAdmit();
  return usePages(
    async (cursor, signal) =>
      ofConnections(await client.adminConnections(withCursor(query, cursor), signal)),
    `${client.base} ${JSON.stringify(query)}`,
  );
}

/** For the app's admins: calls by day and by agent, and the plan. */
export function useAdminUsage(query: UsageQuery = {}): Resource<Usage> {
  const client = useAgentAdmit();
  return useResource(
    (signal) => client.adminUsage(query, signal),
    `${client.base} ${query.from} ${query.to}`,
  );
}

/** For the app's admins: what everybody's agents did, newest first. */
export function useAdminActivity(query: AdminActivityQuery = {}): Pages<Activity> {
  const client = useAgentAdmit();
  return usePages(
    async (cursor, signal) =>
      ofActivity(await client.adminActivity(withCursor({ limit: 20, ...query }, cursor), signal)),
    `${client.base} ${JSON.stringify(query)}`,
  );
}

/** For the app's admins: ends one connection, or all of a user. */
export function useAdminRevoke(): Action<[AdminRevocation], Revoked> {
  const client = useAgentAdmit();
  return useAction((what) => client.adminRevoke(what));
}

/** Calls `tick` again and again while the page is seen; the next wait begins when it is done. */
export function useEvery(milliseconds: number | null, tick: () => Promise<void>): void {
  const run = useCallback(tick, [tick]);
  useEffect(() => {
    if (milliseconds === null) return;
    let timer: ReturnType<typeof setTimeout>;
    let isOver = false;
    const again = async () => {
      if (document.visibilityState === "visible") await run();
      if (!isOver) timer = setTimeout(again, milliseconds);
    };
    timer = setTimeout(again, milliseconds);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [milliseconds, run]);
}

function withCursor<Q extends object>(
  query: Q,
  cursor: string | undefined,
): Q & { cursor?: string } {
  return cursor === undefined ? query : { ...query, cursor };
}

function ofConnections(list: {
  connections: Connection[];
  total: number;
  next_cursor: string | null;
}) {
  return { items: list.connections, total: list.total, next: list.next_cursor };
}

function ofActivity(list: { events: Activity[]; next_cursor: string | null }) {
  return { items: list.events, total: null, next: list.next_cursor };
}
