import { AgentAdmitError } from "./error.js";
import type { ErrorBody } from "./types.js";

/** What is asked: all of it but where. */
export interface Asking {
  method: string;
  body?: object | undefined;
  headers?: Record<string, string>;
  credentials: RequestCredentials;
  signal?: AbortSignal | undefined;
}

/** Asks an endpoint of AgentAdmit, which answers with a JSON object, or with nothing (204). */
export async function request<T>(ask: typeof fetch, url: string, asking: Asking): Promise<T> {
  const { method, body, signal } = asking;
  const headers: Record<string, string> = { Accept: "application/json" };
  if (body) headers["Content-Type"] = "application/json";
  Object.assign(headers, asking.headers);
  const init: RequestInit = { method, headers, credentials: asking.credentials, cache: "no-store" };
  if (body) init.body = JSON.stringify(body);
  if (signal) init.signal = signal;
  const answer = await ask(url, init).catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw new AgentAdmitError("unreachable", "there was no answer", { cause });
  });
  if (answer.status === 204) return undefined as T;
  const said: unknown = await answer.json().catch((cause: unknown) => {
    signal?.throwIfAborted();
    if (answer.ok) throw unexpected(answer.status, cause);
    return null;
  });
  if (answer.ok && isObject(said)) return said as T;
  if (answer.ok) throw unexpected(answer.status);
  throw told(answer, said);
}

/** An empty parameter is an error there, never "no filter": what is not set is left out. */
export function search(query: object): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString();
  return text && `?${text}`;
}

/** The error that an answer tells. */
export function told(answer: Response, said: unknown): AgentAdmitError {
  const body: ErrorBody = isObject(said) ? said : {};
  // nobody is signed in, and the app says so in its own way
  if (typeof body.error !== "string" && answer.status === 401) {
    return new AgentAdmitError("unauthenticated", "nobody is signed in", { status: 401 });
  }
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
