// The official SDKs, each with the revisions of MCP that it can be told to speak.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BINARIES } from "../../support/world.js";
import type { Sdk } from "./client.js";
import { ProgramClient } from "./program.js";
import { PYTHON } from "./servers.js";
import { TYPESCRIPT } from "./typescript.js";

const PYTHON_CLIENT = fileURLToPath(new URL("../mcp_client.py", import.meta.url));
const LOCKFILE = fileURLToPath(new URL("../../../../Cargo.lock", import.meta.url));

function python(revision: string): Sdk {
  return {
    name: "Python, mcp",
    version: PYTHON ? execFileSync(PYTHON, [PYTHON_CLIENT, "--version"]).toString().trim() : "",
    revision,
    stepsUp: true,
    keepsEnough: false,
    isProgram: true,
    make: (told, environment) =>
      new ProgramClient([PYTHON as string, PYTHON_CLIENT], told, environment),
  };
}

function rust(revision: string): Sdk {
  const lock = readFileSync(LOCKFILE, "utf8");
  return {
    name: "Rust, rmcp",
    version: lock.match(/name = "rmcp"\nversion = "([^"]+)"/)?.[1] ?? "",
    revision,
    stepsUp: false,
    keepsEnough: true,
    isProgram: true,
    make: (told, environment) =>
      new ProgramClient([join(BINARIES, "mcp-client")], told, environment),
  };
}

export const SDKS: Sdk[] = [
  ...TYPESCRIPT,
  ...["2025-11-25", "2026-07-28"].map(python),
  ...["2025-06-18", "2025-11-25", "2026-07-28"].map(rust),
];
