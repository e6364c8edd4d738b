import { request, search } from "./request.js";
import type {
  ActivityList,
  ActivityQuery,
  AdminActivityQuery,
  AdminConnectionsQuery,
  AdminRevocation,
  Connection,
  ConnectionList,
  ConnectionsQuery,
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

export { AgentAdmitError } from "./error.js";

export interface ClientOptions {
  /** Where the SDK's routes are mounted: `/agentadmit` unless said. May be on another origin. */
  base?: string;
  /** Instead of the global `fetch`. */
  fetch?: typeof fetch;
  /** Headers of every request, such as the app's own session token. */
  headers?: () => Record<string, string> | Promise<Record<string, string>>;
}

/** The durations of an app that names none: an hour, a day, a week, 30 days. */
const DEFAULT_DURATIONS = [3_600, 86_400, 604_800, 2_592_000].map((seconds) => ({
  label: null,
  seconds,
}));

/** The routes that every SDK mounts in an app, for its signed-in user. */
export class AgentAdmitClient {
  readonly base: string;
  readonly #fetch: typeof fetch;
  readonly #headers: NonNullable<ClientOptions["headers"]>;

  constructor(options: ClientOptions = {}) {
    this.base = (options.base ?? "/agentadmit").replace(/\/+$/, "");
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.#headers = options.headers ?? (() => ({}));
  }

  async scopes(signal?: AbortSignal): Promise<Grantable> {
    const said = await this.#ask<Partial<Grantable>>("GET", "/scopes", undefined, signal);
    // an SDK of before the panels answers the scopes alone
    return { scopes: [], durations: DEFAULT_DURATIONS, app: { name: "" }, ...said };
  }

  generateToken(request: GrantRequest, signal?: AbortSignal): Promise<Granted> {
    return this.#ask("POST", "/connections/generate-token", request, signal);
  }

  connections(query: ConnectionsQuery = {}, signal?: AbortSignal): Promise<ConnectionList> {
    return this.#ask("GET", `/connections${search(query)}`, undefined, signal);
  }

  narrow(id: string, request: Narrowing, signal?: AbortSignal): Promise<Connection> {
    return this.#ask("PATCH", `/connections/${encodeURIComponent(id)}`, request, signal);
  }

  revoke(id: string, signal?: AbortSignal): Promise<Revoked> {
    return this.#ask("DELETE", `/connections/${encodeURIComponent(id)}`, {}, signal);
  }

  activity(id: string, query: ActivityQuery = {}, signal?: AbortSignal): Promise<ActivityList> {
    const path = `/connections/${encodeURIComponent(id)}/activity${search(query)}`;
    return this.#ask("GET", path, undefined, signal);
  }

  promptTemplates(signal?: AbortSignal): Promise<{ prompt_templates: PromptTemplate[] }> {
    return this.#ask("GET", "/prompt-templates", undefined, signal);
  }

  openConsent(request: ConsentRequest, signal?: AbortSignal): Promise<ConsentSession> {
    return this.#ask("POST", "/consent-sessions", request, signal);
  }

  adminConnections(
    query: AdminConnectionsQuery = {},
    signal?: AbortSignal,
  ): Promise<ConnectionList> {
    return this.#ask("GET", `/admin/connections${search(query)}`, undefined, signal);
  }

  adminUsage(query: UsageQuery = {}, signal?: AbortSignal): Promise<Usage> {
    return this.#ask("GET", `/admin/usage${search(query)}`, undefined, signal);
  }

  adminActivity(query: AdminActivityQuery = {}, signal?: AbortSignal): Promise<ActivityList> {
    return this.#ask("GET", `/admin/activity${search(query)}`, undefined, signal);
  }

  adminRevoke(what: AdminRevocation, signal?: AbortSignal): Promise<Revoked> {
    return this.#ask("POST", "/admin/connections/revoke", what, signal);
  }

  async #ask<T>(method: string, path: string, body?: object, signal?: AbortSignal): Promise<T> {
    const headers = await this.#headers();
    const asking = { method, body, headers, credentials: "include", signal } as const;
    return request<T>(this.#fetch, this.base + path, asking);
  }
}
