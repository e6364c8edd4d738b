// The conformance suite of MCP for servers, against servers behind our guard: `server-suite.ts` says how.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SUBJECTS } from "./server-subjects.js";
import {
  COMMITTED,
  type Entry,
  namesOf,
  pinned,
  REVISIONS,
  Running,
  scenariosOf,
} from "./server-suite.js";

test("the pinned version is the one of the list", () => {
  expect(COMMITTED.tool).toBe(pinned());
});

test("every server of the list is played", () => {
  expect(SUBJECTS.map((it) => it.name)).toEqual(Object.keys(COMMITTED.servers));
});

const HERE = SUBJECTS.filter((it) => !it.isMissing);

describe.each(HERE)("the conformance suite of MCP, for $name", (subject) => {
  const entry = COMMITTED.servers[subject.name] as Entry;
  let running: Running;

  beforeAll(async () => {
    running = await Running.start(subject);
  });
  afterAll(() => running?.end());

  test.each(REVISIONS)("every scenario of %s is run or named", async (revision) => {
    const results = await running.results(entry, revision);
    expect(results).toEqual(entry.results.filter((it) => it.revision === revision));
  });

  test("what is not run is a scenario of the tool's", async () => {
    const all = new Set((await Promise.all(REVISIONS.map(scenariosOf))).flat());
    expect([...namesOf(entry)].filter((it) => !all.has(it))).toEqual([]);
  });

  test("what does not succeed is explained, and nothing else is", () => {
    const others = entry.results.filter((it) => it.result !== "SUCCESS");
    const explained = entry.explained.map((it) => it.check);
    expect(new Set(others.map((it) => it.check))).toEqual(new Set(explained));
  });

  test("the counts are those of the list", () => {
    const counts: Record<string, number> = {};
    for (const { result } of entry.results) counts[result] = (counts[result] ?? 0) + 1;
    expect(entry.counts).toEqual(counts);
  });
});
