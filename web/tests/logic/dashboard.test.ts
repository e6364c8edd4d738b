// What the dashboard works out by itself: addresses, pages, limits, terms, times, who may what.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { step } from "../../dashboard/src/paging.js";
import { hrefOf, placeOf } from "../../dashboard/src/router.js";
import { rightsOf } from "../../dashboard/src/session.js";
import { en } from "../../dashboard/src/strings/en.js";
import type { Session } from "../../dashboard/src/types.js";
import { lastDays, roundAbove } from "../../dashboard/src/ui/Chart.js";
import { oneOf } from "../../dashboard/src/ui/filters.js";
import { queryOf, startOf, termOf } from "../../dashboard/src/views/Audit.js";
import { isGood } from "../../dashboard/src/views/app/Keys.js";
import { limitOf } from "../../dashboard/src/views/app/PlanForm.js";
import { mistakesOf } from "../../dashboard/src/views/app/Settings.js";
import { shortened } from "../../dashboard/src/views/Connections.js";

const ID = "0".repeat(26);

describe("addresses", () => {
  test("say what is shown, and nothing that is not set", () => {
    expect(hrefOf("/")).toBe("/dashboard");
    expect(hrefOf("/connections", { user: "u ada&x", status: "" })).toBe(
      "/dashboard/connections?user=u+ada%26x",
    );
  });

  test("are read as they were written, broken ones too", () => {
    const place = placeOf({ pathname: "/dashboard/apps/app_1/keys", search: "?environment=test" });
    expect(place.path).toEqual(["apps", "app_1", "keys"]);
    expect(place.query.get("environment")).toBe("test");
    expect(placeOf({ pathname: "/dashboard/apps/%E0%A4%A", search: "" }).path).toEqual([
      "apps",
      "%E0%A4%A",
    ]);
  });

  test("a value that nobody knows is none", () => {
    expect(oneOf(["live", "test"], "live")).toBe("live");
    expect(oneOf(["live", "test"], "<img>")).toBeUndefined();
    expect(oneOf(["live", "test"], null)).toBeUndefined();
  });
});

describe("pages", () => {
  const first = { key: "a", cursors: [] };

  test("go forward by what was said, and back by what was asked", () => {
    const second = step(first, { to: "next", cursor: "c1" });
    const third = step(second, { to: "next", cursor: "c2" });
    expect(third.cursors).toEqual(["c1", "c2"]);
    expect(step(third, { to: "previous" }).cursors).toEqual(["c1"]);
    expect(step(step(second, { to: "previous" }), { to: "previous" }).cursors).toEqual([]);
  });

  test("the same press twice is one step", () => {
    const second = step(first, { to: "next", cursor: "c1" });
    expect(step(second, { to: "next", cursor: "c1" })).toBe(second);
  });

  test("another list begins at its first page", () => {
    const second = step(first, { to: "next", cursor: "c1" });
    expect(step(second, { to: "first", key: "b" })).toEqual({ key: "b", cursors: [] });
    expect(step(second, { to: "first", key: "a" })).toBe(second);
  });
});

describe("limits", () => {
  test("are whole numbers, as people write them, or none", () => {
    expect(limitOf("5,000")).toBe(5_000);
    expect(limitOf("1 000 000")).toBe(1_000_000);
    expect(limitOf("0")).toBe(0);
    expect(limitOf("  ")).toBeNull();
  });

  test("are nothing else", () => {
    for (const typed of ["-1", "1e3", "many", "0x10", "9007199254740993", "٥"]) {
      expect(limitOf(typed), typed).toBeUndefined();
    }
  });

  test("of an app are checked before they are sent", () => {
    const good = {
      name: "Shop",
      idle_days: "90",
      connection_token_minutes: "10",
      per_key_per_second: "",
      per_connection_per_second: "1000000",
    };
    expect(mistakesOf(good)).toEqual([]);
    expect(mistakesOf({ ...good, name: " " })).toEqual(["name"]);
    expect(mistakesOf({ ...good, idle_days: "366", connection_token_minutes: "" })).toEqual([
      "idle_days",
      "connection_token_minutes",
    ]);
    expect(mistakesOf({ ...good, per_key_per_second: "0" })).toEqual(["per_key_per_second"]);
  });
});

describe("the search of the log", () => {
  test("a term says by itself what it names", () => {
    expect(termOf(`conn_${ID}`)).toEqual({ connection_id: `conn_${ID}` });
    expect(termOf(`key_${ID}`)).toEqual({ actor: `key:key_${ID}` });
    expect(termOf(`operator:op_${ID}`)).toEqual({ actor: `operator:op_${ID}` });
    expect(termOf("system")).toEqual({ actor: "system" });
    expect(termOf("conn_short")).toEqual({ user_id: "conn_short" });
    expect(termOf("")).toEqual({});
  });

  test("the last day is in it, and a day that is none is not asked for", () => {
    expect(startOf("2026-02-28", 1)).toBe("2026-03-01T00:00:00.000Z");
    expect(startOf("yesterday", 0)).toBeUndefined();
    expect(startOf(null, 0)).toBeUndefined();
  });

  test("the app of the view counts, not one in the address", () => {
    const query = new URLSearchParams({ app: "app_other", event: "no_such", environment: "live" });
    expect(queryOf(query, en.audit.events, "app_own")).toMatchObject({
      app_id: "app_own",
      environment: "live",
      event: undefined,
    });
  });
});

test("every event of the contract has words", () => {
  const contract = new URL("../../../contract/openapi.json", import.meta.url);
  const events = JSON.parse(readFileSync(contract, "utf8")).components.schemas.AuditEvent.enum;
  expect(events.filter((event: string) => !(event in en.audit.events))).toEqual([]);
});

describe("keys", () => {
  const now = Date.parse("2026-01-02T00:00:00Z");
  const at = (revoked_at: string | null, expires_at: string | null) =>
    isGood({ revoked_at, expires_at }, now);

  test("work until they end", () => {
    expect(at(null, null)).toBe(true);
    expect(at(null, "2026-01-02T00:00:01Z")).toBe(true);
    expect(at(null, "2026-01-02T00:00:00Z")).toBe(false);
    expect(at("2026-01-01T00:00:00Z", null)).toBe(false);
  });
});

describe("rights", () => {
  const session = (more: Partial<Session>): Session => ({
    session_id: "ses_1",
    kind: "developer",
    label: "Ada",
    idle_expires_at: "2026-01-01T00:00:00Z",
    expires_at: "2026-01-01T00:00:00Z",
    ...more,
  });

  test("an operator may change everything", () => {
    const rights = rightsOf(session({ kind: "operator" }));
    expect(rights.canChange(null)).toBe(true);
    expect(rights.canChange("app_1")).toBe(true);
  });

  test("a developer changes own apps as an owner, and nothing else", () => {
    const apps: Session["apps"] = [
      { app_id: "app_1", role: "owner" },
      { app_id: "app_2", role: "viewer" },
    ];
    const rights = rightsOf(session({ apps }));
    expect(rights.isOperator).toBe(false);
    expect(["app_1", "app_2", "app_3", null].map((app) => rights.canChange(app))).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});

test("a chart's line stands at a number that people draw lines at", () => {
  expect([0, 1, 3, 7, 11, 99, 100, 101, 4_321].map(roundAbove)).toEqual([
    1, 1, 5, 10, 20, 100, 100, 200, 5_000,
  ]);
});

test("thirty days end today", () => {
  const days = lastDays(30, Date.parse("2026-03-01T12:00:00Z"));
  expect(days).toEqual({ from: "2026-01-31", to: "2026-03-01" });
});

test("many scopes are named by the first and a number", () => {
  expect(shortened(["a:b", "c:d"])).toBe("a:b  c:d");
  expect(shortened(["a:b", "c:d", "e:f", "g:h", "i:j"])).toBe("a:b  c:d  e:f  +2");
});

describe("the bundle", () => {
  const file = (name: string) =>
    readFileSync(new URL(`../../../crates/http/assets/dashboard/${name}`, import.meta.url));

  test("is small", () => {
    const names = ["index.html", "dashboard.js", "dashboard.css"];
    const size = names.reduce((all, name) => all + gzipSync(file(name)).length, 0);
    expect(size).toBeLessThan(60_000);
  });

  test("keeps a strict policy: nothing inline, nothing of anybody else", () => {
    const page = file("index.html").toString();
    expect(page).not.toMatch(/<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|https?:/);
    const script = file("dashboard.js").toString();
    expect(script).not.toMatch(/\beval\(|new Function\(/);
  });
});
