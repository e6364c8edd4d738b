// The service, as the dashboard asks it: by the session's cookie, with the header that no other site
// can send.
import { AgentAdmitError } from "../../react/src/error.js";
import { request, search, told } from "../../react/src/request.js";
import type * as T from "./types.js";

const part = encodeURIComponent;
const HEADERS = { "AgentAdmit-Dashboard": "1" };

/** How many rows a page of a list has. */
export const PAGE = 50;

/** Told after every answer: `false` where there is no session (any more). */
let heard: (isSignedIn: boolean) => void = () => {};

export function onAnswer(listener: (isSignedIn: boolean) => void): void {
  heard = listener;
}

async function ask<R>(
  method: string,
  path: string,
  body?: object,
  signal?: AbortSignal,
): Promise<R> {
  const asking = { method, body, headers: HEADERS, credentials: "same-origin", signal } as const;
  try {
    const answer = await request<R>(fetch, path, asking);
    heard(true);
    return answer;
  } catch (error) {
    if ((error as AgentAdmitError).code === "unauthenticated") heard(false);
    throw error;
  }
}

const get = <R>(path: string, query: object = {}, signal?: AbortSignal) =>
  ask<R>("GET", path + search(query), undefined, signal);

const apps = "/v1/operator/apps";
const app = (id: string, rest = "") => `${apps}/${part(id)}${rest}`;

export interface Paging {
  cursor?: string | undefined;
}

export interface ConnectionsQuery extends Paging {
  app_id?: string | undefined;
  environment?: T.Environment | undefined;
  user_id?: string | undefined;
  status?: T.ConnectionStatus | undefined;
}

export interface AuditQuery extends Paging {
  app_id?: string | undefined;
  environment?: T.Environment | undefined;
  connection_id?: string | undefined;
  user_id?: string | undefined;
  event?: T.AuditEvent | undefined;
  from?: string | undefined;
  to?: string | undefined;
  limit?: number;
  outcome?: T.AuditRecord["outcome"] | undefined;
  actor?: string | undefined;
  reason?: string | undefined;
}

export const session = {
  read: (signal?: AbortSignal) => get<T.Session>("/dashboard/session", {}, signal),
  signIn: (code: string) => ask<T.Session>("POST", "/dashboard/session", { code }),
  signOut: () => ask<void>("DELETE", "/dashboard/session"),
  list: (signal: AbortSignal) =>
    get<{ sessions: T.OpenSession[] }>("/v1/operator/sessions", {}, signal),
  end: (id: string) => ask<object>("DELETE", `/v1/operator/sessions/${part(id)}`),
};

/** Links, accounts and memberships of developers. */
export const developers = {
  signUp: (signal?: AbortSignal) => get<T.SignUp>("/dashboard/sign-up", {}, signal),
  look: (code: string) => ask<T.InviteShown>("POST", "/dashboard/invite", { code }),
  use: (body: { code: string; label?: string }) =>
    ask<T.Session>("POST", "/dashboard/invite/use", body),
  own: (signal?: AbortSignal) => get<T.OwnAccount>("/dashboard/account", {}, signal),
  rename: (label: string) => ask<T.OwnAccount>("PATCH", "/dashboard/account", { label }),
};

interface MadePasskey {
  challenge_id: string;
  credential: object;
  name?: string;
}

export const passkeys = {
  toSignIn: () => ask<T.PasskeyOptions>("POST", "/dashboard/passkeys/sign-in/options"),
  signIn: (body: MadePasskey) => ask<T.Session>("POST", "/dashboard/passkeys/sign-in", body),
  toSignUp: (body: { label: string; code?: string }) =>
    ask<T.PasskeyOptions>("POST", "/dashboard/passkeys/sign-up/options", body),
  signUp: (body: MadePasskey) => ask<T.Session>("POST", "/dashboard/passkeys/sign-up", body),
  toAdd: () => ask<T.PasskeyOptions>("POST", "/dashboard/passkeys/options"),
  add: (body: MadePasskey) => ask<T.OwnPasskey>("POST", "/dashboard/passkeys", body),
  remove: (id: string) => ask<object>("DELETE", `/dashboard/passkeys/${part(id)}`),
};

const accounts = "/v1/operator/accounts";
const account = (id: string, rest = "") => `${accounts}/${part(id)}${rest}`;

export const accountsOf = {
  list: (cursor?: string, signal?: AbortSignal) =>
    get<T.AccountList>(accounts, { limit: PAGE, cursor }, signal),
  signInLink: (id: string, seconds: number) =>
    ask<T.InviteCreated>("POST", account(id, "/sign-in-link"), { seconds }),
  suspend: (id: string) => ask<T.Account>("POST", account(id, "/suspend")),
  resume: (id: string) => ask<T.Account>("POST", account(id, "/resume")),
  remove: (id: string) => ask<object>("DELETE", account(id)),
};

/** The links of an app, or of the service itself. */
export const invitesOf = (id: string | null) => {
  const path = id === null ? `${accounts}/invites` : app(id, "/invites");
  return {
    list: (signal?: AbortSignal) => get<T.InviteList>(path, {}, signal),
    create: (body: { role?: T.Role; seconds: number }) => ask<T.InviteCreated>("POST", path, body),
    revoke: (invite: string) => ask<object>("DELETE", `${path}/${part(invite)}`),
  };
};

export const membersOf = {
  list: (id: string, signal?: AbortSignal) =>
    get<{ members: T.Member[] }>(app(id, "/members"), {}, signal),
  change: (id: string, member: string, role: T.Role) =>
    ask<T.Member>("PATCH", app(id, `/members/${part(member)}`), { role }),
  remove: (id: string, member: string) =>
    ask<object>("DELETE", app(id, `/members/${part(member)}`)),
};

export const service = {
  ready: async (signal: AbortSignal): Promise<T.Ready> => {
    // a service that is not ready says so with a 503 and the same body
    const answer = await fetch("/readyz", { cache: "no-store", signal });
    const said = await answer.json().catch(() => null);
    if (Array.isArray(said?.checks)) return said;
    throw told(answer, said);
  },
  overview: (signal: AbortSignal) => get<T.Overview>("/v1/operator/overview", {}, signal),
  health: (signal: AbortSignal) => get<T.Health>("/v1/operator/health", {}, signal),
};

export const appsOf = {
  list: (cursor?: string, signal?: AbortSignal) =>
    get<T.AppList>(apps, { limit: PAGE, cursor }, signal),
  show: (id: string, signal?: AbortSignal) => get<T.App>(app(id), {}, signal),
  create: (body: { name: string; description?: string }) => ask<T.App>("POST", apps, body),
  change: (id: string, body: { name?: string; description?: string | null; settings?: object }) =>
    ask<T.App>("PATCH", app(id), body),
  remove: (id: string) => ask<object>("DELETE", app(id)),
  plan: (id: string, plan: T.Plan) => ask<T.Plan>("PUT", app(id, "/plan"), plan),
  usage: (id: string, query: object, signal?: AbortSignal) =>
    get<T.Usage>(app(id, "/usage"), query, signal),
  scopes: (id: string, environment: T.Environment, signal?: AbortSignal) =>
    get<T.ScopesAnswer>(app(id, "/scopes"), { environment }, signal),
  setScopes: (
    id: string,
    environment: T.Environment,
    body: { scopes: T.Scope[]; remove?: string[] },
  ) => ask<T.ScopesAnswer>("PUT", app(id, "/scopes") + search({ environment }), body),
};

export interface NewKey {
  environment: T.Environment;
  name?: string;
  permissions: T.Permission[];
  expires_at?: string;
}

export const keysOf = {
  list: (id: string, signal?: AbortSignal) => get<T.KeyList>(app(id, "/api-keys"), {}, signal),
  create: (id: string, body: NewKey) => ask<T.KeyCreated>("POST", app(id, "/api-keys"), body),
  rotate: (id: string, key: string, overlap_seconds: number) =>
    ask<T.KeyCreated>("POST", app(id, `/api-keys/${part(key)}/rotate`), { overlap_seconds }),
  revoke: (id: string, key: string) => ask<object>("DELETE", app(id, `/api-keys/${part(key)}`)),
};

const connections = "/v1/operator/connections";

export const connectionsOf = {
  list: (query: ConnectionsQuery, signal?: AbortSignal) =>
    get<T.ConnectionList>(connections, { limit: PAGE, ...query }, signal),
  show: (id: string, signal?: AbortSignal) =>
    get<T.Connection>(`${connections}/${part(id)}`, {}, signal),
  narrow: (id: string, body: { remove_scopes?: string[]; expires_at?: string }) =>
    ask<T.Connection>("PATCH", `${connections}/${part(id)}`, body),
  revoke: (body: { connection_id: string } | { user_id: string; all_apps: true }) =>
    ask<T.Revoked>("POST", `${connections}/revoke`, body),
  /** Whose ids begin so. */
  users: (prefix: string, signal?: AbortSignal) =>
    get<T.UserList>("/v1/operator/users", { prefix, limit: 20 }, signal),
};

export const audit = {
  list: (query: AuditQuery, signal?: AbortSignal) =>
    get<T.AuditList>("/v1/operator/audit", { limit: PAGE, ...query }, signal),
  verification: (signal?: AbortSignal) =>
    get<T.Verification>("/v1/operator/audit/verification", {}, signal),
  verify: () => ask<object>("POST", "/v1/operator/audit/verification"),
  /** The whole of an export, for the browser to keep as a file. */
  exported: async (query: AuditQuery & { format: "ndjson" | "csv" }): Promise<Blob> => {
    const path = `/v1/operator/audit/export${search(query)}`;
    const init: RequestInit = { headers: HEADERS, credentials: "same-origin", cache: "no-store" };
    const answer = await fetch(path, init).catch((cause: unknown) => {
      throw new AgentAdmitError("unreachable", "there was no answer", { cause });
    });
    if (!answer.ok) throw told(answer, await answer.json().catch(() => null));
    heard(true);
    return answer.blob();
  },
};
