// Plays contract/panel-calls.json: the calls of the panels, and the shapes of their answers.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

export interface Call {
  client: string | null;
  as: "user" | "other" | "admin" | "elsewhere" | "agent" | "nobody";
  method: string;
  path: string;
  body?: object;
  status: number;
  answer: Shape | null;
  says?: Record<string, unknown>;
  keep?: Record<string, string>;
}

type Shape = string | [Shape] | { [member: string]: Shape };

const FILE = fileURLToPath(new URL("../../../contract/panel-calls.json", import.meta.url));

export const { calls: CALLS, shapes: SHAPES } = JSON.parse(readFileSync(FILE, "utf8")) as {
  calls: Call[];
  shapes: Record<string, Shape>;
};

export interface Stage {
  /** The app's origin; its routes are mounted at `/agentadmit`. */
  origin: string;
  /** The headers of a session. */
  sessions: Record<"user" | "other" | "admin", Record<string, string>>;
  /** What {scope}, {more} and {user} stand for. */
  names: Record<"scope" | "more" | "user", string>;
}

/** Every call, in order. */
export async function play(stage: Stage): Promise<void> {
  const known: Record<string, string> = {
    ...stage.names,
    today: new Date().toISOString().slice(0, 10),
    soon: new Date(Date.now() + 3_600_000).toISOString(),
  };
  for (const call of CALLS) {
    const what = `${call.method} ${call.path} as ${call.as}`;
    const init: RequestInit = { method: call.method, headers: headersOf(call, stage, known) };
    if (call.body) init.body = JSON.stringify(filled(call.body, known));
    const path = filled(call.path, known);
    const reply = await fetch(`${stage.origin}/agentadmit${path}`, init);
    const said: unknown = await reply.json().catch(() => null);
    expect(reply.status, `${what}: ${JSON.stringify(said)}`).toBe(call.status);
    if (call.answer === null) continue;
    expect(reply.headers.get("cache-control"), what).toBe("no-store");
    expect(wrong(said, call.answer), what).toEqual([]);
    for (const [pointer, value] of Object.entries(call.says ?? {})) {
      expect(at(said, pointer), `${what}: ${pointer}`).toEqual(filled(value, known));
    }
    for (const [name, pointer] of Object.entries(call.keep ?? {})) {
      known[name] = String(at(said, pointer));
    }
  }
}

function headersOf(call: Call, { origin, sessions }: Stage, known: Record<string, string>) {
  const headers: Record<string, string> = {};
  if (call.as === "agent") headers.Authorization = `Bearer ${known.access}`;
  else if (call.as === "elsewhere") Object.assign(headers, sessions.user);
  else if (call.as !== "nobody") Object.assign(headers, sessions[call.as]);
  if (call.body) headers["Content-Type"] = "application/json";
  if (call.body && call.as !== "nobody") {
    headers.Origin = call.as === "elsewhere" ? "https://elsewhere.example" : origin;
  }
  return headers;
}

/** Puts in what stands in braces, wherever it is. */
function filled<T>(value: T, known: Record<string, string>): T {
  const text = JSON.stringify(value).replace(/\{(\w+)\}/g, (all, name) => known[name] ?? all);
  return JSON.parse(text);
}

function at(value: unknown, pointer: string): unknown {
  const step = (within: unknown, name: string) => (within as Record<string, unknown>)?.[name];
  return pointer.split("/").slice(1).reduce(step, value);
}

const TYPES: Record<string, (value: unknown) => boolean> = {
  any: () => true,
  text: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  flag: (value) => typeof value === "boolean",
  time: (value) => typeof value === "string" && /^\d{4}-.*T.*\.\d{3}Z$/.test(value),
};

/** Where a value is not of a shape. */
export function wrong(value: unknown, shape: Shape, place = ""): string[] {
  const not = (what: string) => [`${place || "/"} is ${JSON.stringify(value)}, not ${what}`];
  if (typeof shape === "string") {
    const name = shape.replace(/\?$/, "");
    if (value === null && name !== shape) return [];
    const is = TYPES[name];
    if (is) return is(value) ? [] : not(shape);
    return wrong(value, SHAPES[name] ?? {}, place);
  }
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return not("a list");
    return value.flatMap((it, index) => wrong(it, shape[0], `${place}/${index}`));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return not("an object");
  const members = Object.entries(shape).map(([name, of]) => [name.replace(/\?$/, ""), name, of]);
  const known = members.flatMap(([plain, name, of]) => {
    const member = (value as Record<string, unknown>)[plain as string];
    if (member === undefined) return plain === name ? [`${place}/${plain} is missing`] : [];
    return wrong(member, of as Shape, `${place}/${plain}`);
  });
  const more = Object.keys(value).filter((name) => !members.some(([plain]) => plain === name));
  return [...known, ...more.map((name) => `${place}/${name} stands in no contract`)];
}
