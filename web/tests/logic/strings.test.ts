// Every language says everything, with the same places to fill in.
import { describe, expect, test } from "vitest";
import { ar as arDashboard } from "../../dashboard/src/strings/ar.js";
import { en as enDashboard } from "../../dashboard/src/strings/en.js";
import { ar } from "../../react/src/strings/ar.js";
import { en, type Plural } from "../../react/src/strings/en.js";
import { fill, languageOf } from "../../react/src/text.js";

type Leaf = [path: string, text: string];

function leaves(value: unknown, path = ""): Leaf[] {
  if (typeof value === "string") return [[path, value]];
  const inner = Object.entries(value as object);
  return inner.flatMap(([name, it]) => leaves(it, path ? `${path}.${name}` : name));
}

const isPlural = (value: unknown): value is Plural =>
  typeof value === "object" && value !== null && "other" in value && "one" in value;

function plurals(value: unknown, path = ""): [string, Plural][] {
  if (isPlural(value)) return [[path, value]];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, it]) => plurals(it, `${path}.${name}`));
}

const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

describe.each([
  ["panels", en, ar],
  ["dashboard", enDashboard, arDashboard],
])("Arabic of the %s", (_, en, ar) => {
  const english = new Map(leaves(en));
  const arabic = new Map(leaves(ar));

  test("says all that English says", () => {
    const missing = [...english.keys()].filter((path) => !arabic.has(path));
    expect(missing).toEqual([]);
  });

  test("has the places of English, outside of numbers", () => {
    for (const [path, text] of english) {
      // "one", "two": the word says the number
      if (/\.(zero|one|two|few|many|other)$/.test(path)) continue;
      expect(places(arabic.get(path) ?? ""), path).toEqual(places(text));
    }
  });

  test("is Arabic", () => {
    for (const [path, text] of arabic) {
      if (["locale", "dir", "brand"].includes(path)) continue;
      expect(text, path).toMatch(/\p{Script=Arabic}/u);
    }
  });

  test("has a text for every form that its numbers take", () => {
    const wanted = new Intl.PluralRules("ar").resolvedOptions().pluralCategories;
    for (const [path, forms] of plurals(ar)) {
      expect(Object.keys(forms).sort(), path).toEqual([...wanted].sort());
    }
    expect(plurals(ar).map(([path]) => path)).toEqual(plurals(en).map(([path]) => path));
  });
});

test("every form of a number says the number, or is the word for it", () => {
  for (const strings of [en, ar, enDashboard, arDashboard]) {
    for (const [path, forms] of plurals(strings)) {
      for (const form of ["few", "many", "other"] as const) {
        if (forms[form]) expect(forms[form], `${path}.${form}`).toContain("{n}");
      }
    }
  }
});

test("a number gets the form of its language", () => {
  expect(languageOf(en).plural(en.connections.calls, 1)).toBe("1 call");
  expect(languageOf(en).plural(en.connections.calls, 1_234)).toBe("1,234 calls");
  expect(languageOf(ar).plural(ar.connections.calls, 2)).toBe("طلبان");
});

test("what is put in is not filled in again", () => {
  expect(fill("{agent} of {user}", { agent: "{user}", user: "u" })).toBe("{user} of u");
  expect(fill("{nothing}", {})).toBe("{nothing}");
});

test("durations are said in the largest whole unit", () => {
  const { duration } = languageOf(en);
  expect([60, 3_600, 5_400, 86_400, 604_800].map(duration)).toEqual([
    "1 minute",
    "1 hour",
    "90 minutes",
    "1 day",
    "7 days",
  ]);
});

test("times are said as they are from now", () => {
  const { relative } = languageOf(en);
  const now = Date.parse("2026-01-02T12:00:00Z");
  expect(relative("2026-01-02T11:59:30Z", now)).toBe("now");
  expect(relative("2026-01-02T09:00:00Z", now)).toBe("3 hours ago");
  expect(relative("2026-01-05T12:00:00Z", now)).toBe("in 3 days");
});
