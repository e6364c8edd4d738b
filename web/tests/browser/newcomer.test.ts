// A newcomer's way by what `agentadmit demo` and `agentadmit dev` print: from the shop's page through
// consent to the agent's first call, and to what can be seen of it.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, launch, PATIENCE } from "../support/browser.js";
import { freePort } from "../support/ports.js";
import { BINARIES, environmentOf } from "../support/world.js";

const SHOP = fileURLToPath(new URL("../../../examples/axum-shop/agentadmit.yaml", import.meta.url));

/** A program whose output is read line by line. */
class Program {
  readonly child: ChildProcess;
  readonly said: string[] = [];
  #isOver = false;

  constructor(program: string, options: string[], cwd: string) {
    const env = environmentOf({ NO_COLOR: "1", COLUMNS: "100" });
    this.child = spawn(join(BINARIES, program), options, { cwd, env });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (stream) createInterface({ input: stream }).on("line", (line) => this.said.push(line));
    }
    this.child.once("exit", () => {
      this.#isOver = true;
    });
  }

  /** Waits for a line; answers everything that was said. */
  async says(wanted: string): Promise<string> {
    const all = () => this.said.join("\n");
    await expect
      .poll(() => all().includes(wanted) || this.#isOver, { timeout: 60_000, message: all() })
      .toBe(true);
    expect(all(), "it ended").toContain(wanted);
    return all();
  }

  /** The address in a numbered step. */
  step(number: number): string {
    const line = this.said.find((it) => new RegExp(`^ +${number}  `).test(it));
    return line?.match(/http:\S+/)?.[0] ?? `no step ${number} in:\n${this.said.join("\n")}`;
  }

  async end(): Promise<void> {
    if (this.#isOver) return;
    const ended = new Promise((done) => this.child.once("exit", done));
    this.child.kill("SIGINT");
    await ended;
  }
}

describe.skipIf(!hasBrowser)("a newcomer", () => {
  let browser: Browser;
  let folder: string;

  beforeAll(async () => {
    browser = await launch();
    folder = mkdtempSync(join(tmpdir(), "agentadmit-newcomer-"));
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function signedIn(address: string): Promise<Page> {
    const context = await browser.newContext({ locale: "en-GB" });
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    await page.goto(address);
    await page.getByLabel("Name").fill("ada");
    await page.getByLabel("Password").fill("difference-engine");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Your orders" }).waitFor();
    return page;
  }

  /** The last step: the dashboard, by the code beside its address, shows what the agent did. */
  async function seesItInTheDashboard(program: Program) {
    const line = program.said.find((it) => /^ +5 {2}/.test(it)) ?? "";
    const code = line.match(/[0-9A-Z]{4}(-[0-9A-Z]{4}){3}/)?.[0] ?? "";
    const context = await browser.newContext({ locale: "en-GB" });
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    await page.goto(program.step(5));
    await page.getByLabel("Sign-in code").fill(code);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
    await page.getByText("Allowed: GET /orders").first().waitFor();
    await context.close();
  }

  /** What the agent did stands in the panel. */
  async function seesTheCall(page: Page) {
    const row = page.getByRole("listitem", { name: "Demo agent" });
    await row.getByRole("button", { name: /^What it did/ }).click();
    await row.getByText("GET /orders").waitFor();
  }

  test("is led by `demo` from the shop through consent to the first call", async () => {
    const demo = new Program("agentadmit", ["demo"], folder);
    try {
      await demo.says("Ctrl-C ends everything");
      const page = await signedIn(demo.step(1));
      await page.getByRole("button", { name: "Connect an agent" }).click();
      await page.getByRole("heading", { name: /Let an AI agent use Corner shop/ }).waitFor();
      expect(new URL(page.url()).origin, "the service's own page").not.toBe(
        new URL(demo.step(1)).origin,
      );
      await page.getByRole("checkbox", { name: /See your orders/ }).check();
      await page.getByRole("button", { name: "Allow", exact: true }).click();
      const box = page.getByRole("textbox", { name: "Message for your agent" });
      const message = await box.inputValue();
      demo.child.stdin?.write(`${message}\n`);
      const said = await demo.says("Its first call");
      expect(said).not.toContain(message.match(/ag_ct_\w+/)?.[0]);
      await page.getByRole("link", { name: "Go back to Corner shop" }).click();
      expect(page.url().startsWith(demo.step(4)), page.url()).toBe(true);
      await seesTheCall(page);
      await page.context().close();
      await seesItInTheDashboard(demo);
    } finally {
      await demo.end();
    }
    expect(demo.child.exitCode, "Ctrl-C is how it ends").toBe(0);
  });

  test("is led by `dev` from the app to the agent's page and the first call", async () => {
    const port = await freePort();
    const yaml = readFileSync(SHOP, "utf8").replace("127.0.0.1:8000", `127.0.0.1:${port}`);
    writeFileSync(join(folder, "agentadmit.yaml"), yaml);
    const shop = [join(BINARIES, "axum-shop"), `127.0.0.1:${port}`];
    const command = ["dev", "--listen", "127.0.0.1:0", "--", ...shop];
    const dev = new Program("agentadmit", command, folder);
    try {
      await dev.says("what it did, and one button to end it");
      expect(dev.step(1)).toBe(`http://127.0.0.1:${port}/`);
      const page = await signedIn(dev.step(1));
      await page.goto(dev.step(2));
      await page.getByRole("checkbox", { name: /See your orders/ }).check();
      await page.getByRole("button", { name: "Make a token" }).click();
      const message = await page.getByLabel("Message for your agent").inputValue();
      const agent = new Program("agentadmit", ["agent"], folder);
      agent.child.stdin?.end(`${message}\n`);
      await agent.says("A-1001");
      await page.getByText("Your agent is connected.").waitFor();
      await page.goto(dev.step(4));
      await seesTheCall(page);
      await page.context().close();
      await seesItInTheDashboard(dev);
    } finally {
      await dev.end();
    }
  });
});
