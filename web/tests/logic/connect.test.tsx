// @vitest-environment happy-dom
// The button to the hosted page: where it leads, and what it says where there is no such page.
import { act } from "react";
import { createRoot } from "react-dom/client";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { ConnectAgentButton } from "../../react/src/index.js";
import { server } from "../support/server.js";

beforeAll(() => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
});

let unmount: (() => Promise<void>) | undefined;
afterEach(async () => unmount?.());

/** A button that was clicked, and the answer that it waits for. */
async function clicked() {
  const { asked, client } = server();
  const opened: string[] = [];
  const place = document.createElement("div");
  const root = createRoot(place);
  unmount = () => act(async () => root.unmount());
  const request = { scopes: ["read:orders"] };
  const onOpen = (address: string) => opened.push(address);
  await act(async () =>
    root.render(<ConnectAgentButton client={client} request={request} onOpen={onOpen} />),
  );
  await act(async () => place.querySelector("button")?.click());
  expect(asked.map((it) => it.url)).toEqual(["/agentadmit/consent-sessions"]);
  const answer = (body: unknown, status: number) => asked[0]?.answer(body, status);
  return { opened, answer, text: () => place.textContent };
}

const session = (session_url: string) => ({ session_id: "cs_x", session_url, expires_at: "x" });

test("opens the address of the session", async () => {
  const { opened, answer } = await clicked();
  await answer(session("https://service.example/consent/cs_x?code=1"), 201);
  expect(opened).toEqual(["https://service.example/consent/cs_x?code=1"]);
});

test("opens nothing that would run here, and says so", async () => {
  const { opened, answer, text } = await clicked();
  await answer(session("javascript:alert(1)"), 201);
  expect(opened).toEqual([]);
  expect(text()).toContain("makes no sense here");
});

test.each([404, 405, 501])("says plainly that the app has no such page: %d", async (status) => {
  const { opened, answer, text } = await clicked();
  await answer({ error: "not_found", error_description: "x", request_id: "r" }, status);
  expect(opened).toEqual([]);
  expect(text()).toContain("This app does not offer that page yet.");
});

test("says what else went wrong", async () => {
  const { answer, text } = await clicked();
  await answer({ error: "unauthenticated", error_description: "x", request_id: "r" }, 401);
  expect(text()).toContain("You are signed out.");
});
