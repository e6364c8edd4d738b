// A fetch whose answers the test gives, for components without a browser.
import { act } from "react";
import { AgentAdmitClient } from "../../react/src/headless.js";

/** An answer that the test gives when it likes. */
export interface Asked {
  url: string;
  signal: AbortSignal | null | undefined;
  answer: (body: unknown, status?: number) => Promise<void>;
}

export function server() {
  const asked: Asked[] = [];
  const fetch = (url: unknown, init: RequestInit = {}) =>
    new Promise<Response>((done, failed) => {
      init.signal?.addEventListener("abort", () => failed(init.signal?.reason));
      asked.push({
        url: String(url),
        signal: init.signal,
        answer: (body, status = 200) => act(async () => done(Response.json(body, { status }))),
      });
    });
  return { asked, client: new AgentAdmitClient({ fetch: fetch as typeof globalThis.fetch }) };
}
