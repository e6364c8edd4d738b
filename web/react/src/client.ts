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
  ErrorBody,
  Grantable,
  Granted,
  GrantRequest,
  Narrowing,
  PromptTemplate,
  Revoked,
  Usage,
  UsageQuery,
} from "./types.js";

/** What went wrong, as the error object of every AgentAdmit endpoint says it. */
export class AgentAdmitError extends Error {
  override readonly name = "AgentAdmitError";
  /**
   * The code. Beside those of the protocol: `unreachable` (no answer), `unexpected` (an answer that
   * is not one of AgentAdmit).
   */
  readonly code: string;
  /** The HTTP status; 0 without an answer. */
  readonly status: number;
  /** The member that is wrong, such as `agent_label`. */
  readonly field: string | null;
  /** What the service's log calls this call. */
  readonly requestId: string | null;
  /** After how many seconds it may be tried again. */
  readonly retryAfter: number | null;

  constructor(
    code: string,
    message: string,
    more: {
      status?: number;
      field?: string | null | undefined;
      requestId?: string | null | undefined;
      retryAfter?: number | null;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: more.cause });
    this.code = code;
    this.status = more.status ?? 0;
    this.field = more.field ?? null;
    this.requestId = more.requestId ?? null;
    this.retryAfter = more.retryAfter ?? null;
  }
}

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
    const headers: Record<string, string> = { Accept: "application/json" };
    if (body) headers["Content-Type"] = "application/json";
    Object.assign(headers, await this.#headers());
    const init: RequestInit = { method, headers, credentials: "include", cache: "no-store" };
    if (body) init.body = JSON.stringify(body);
    if (signal) init.signal = signal;
    const answer = await this.#fetch(this.base + path, init).catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw new AgentAdmitError("unreachable", "the app did not answer", { cause });
    });
    const said: unknown = await answer.json().catch((cause: unknown) => {
      signal?.throwIfAborted();
      if (answer.ok) throw unexpected(answer.status, cause);
      return null;
    });
    if (answer.ok && isObject(said)) return said as T;
    if (answer.ok) throw unexpected(answer.status);
    throw told(answer, said);
  }
}

function told(answer: Response, said: unknown): AgentAdmitError {
  const body: ErrorBody = isObject(said) ? said : {};
  if (typeof body.error !== "string") return unexpected(answer.status);
  return new AgentAdmitError(body.error, String(body.error_description ?? body.error), {
    status: answer.status,
    field: body.field,
    requestId: body.request_id,
    retryAfter: Number.parseInt(answer.headers.get("Retry-After") ?? "", 10) || null,
  });
}

function unexpected(status: number, cause?: unknown): AgentAdmitError {
  const text = `an answer with status ${status} that is not one of AgentAdmit`;
  return new AgentAdmitError("unexpected", text, { status, cause });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An empty parameter is an error there, never "no filter": what is not set is left out. */
function search(query: object): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString();
  return text && `?${text}`;
}
