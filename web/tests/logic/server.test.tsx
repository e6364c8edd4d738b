// Every component renders on a server, where there is no window; and a browser takes it over.
import { renderToString } from "react-dom/server";
import { expect, test } from "vitest";
import { ar } from "../../react/src/ar.js";
import {
  AgentAdmitAdminPanel,
  AgentAdmitPanel,
  ConnectAgentButton,
  ConnectionsList,
} from "../../react/src/index.js";
import { everyDay } from "../../react/src/ui/admin/Chart.js";
import { webAddress } from "../../react/src/ui/ConnectAgentButton.js";

test.each([
  ["AgentAdmitPanel", AgentAdmitPanel],
  ["AgentAdmitAdminPanel", AgentAdmitAdminPanel],
  ["ConnectionsList", ConnectionsList],
  ["ConnectAgentButton", ConnectAgentButton],
])("%s", (_, Component) => {
  expect(typeof window).toBe("undefined");
  const html = renderToString(<Component theme="dark" strings={ar} className="mine" />);
  expect(html).toContain('<div class="aa mine" data-theme="dark" dir="rtl" lang="ar">');
  expect(renderToString(<Component />)).toContain('data-theme="inherit" dir="ltr" lang="en"');
});

test("days without calls are there, and no others", () => {
  const day = { day: "2026-03-01", allowed: 2, refused: 1 };
  expect(everyDay([day], "2026-02-27", "2026-03-02")).toEqual([
    { day: "2026-02-27", allowed: 0, refused: 0 },
    { day: "2026-02-28", allowed: 0, refused: 0 },
    day,
    { day: "2026-03-02", allowed: 0, refused: 0 },
  ]);
});

test("nobody is sent to an address that runs here", () => {
  expect(webAddress("https://pay.example/x")).toBe("https://pay.example/x");
  for (const text of [
    "javascript:alert(1)",
    " javascript:alert(1)",
    "data:text/html,x",
    "//x",
    "",
    null,
  ]) {
    expect(webAddress(text), String(text)).toBe(null);
  }
});
