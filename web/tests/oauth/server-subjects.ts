// The MCP servers that the conformance suite is played against, in the order of the list.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BINARIES } from "../support/world.js";
import { PYTHON } from "./sdk/servers.js";
import type { Subject } from "./server-suite.js";

const LISTENS = /^listening on http:/;
const IN_PYTHON = fileURLToPath(
  new URL("../../../python/tests/conformance/server.py", import.meta.url),
);

/** The scope of all that the suite itself prescribes. */
const SUITE = [{ name: "suite:use", description: "Whatever the suite asks for" }];

/** What the suite prescribes, on a package for Python. */
function python(name: string, packageName: string): Subject {
  return {
    name,
    scopes: SUITE,
    command: (port) => [PYTHON ?? "python3", IN_PYTHON, packageName, `${port}`],
    listens: /running on http:/,
    isMissing: !PYTHON,
  };
}

export const SUBJECTS: Subject[] = [
  {
    name: "axum-notes",
    scopes: [
      { name: "notes:read", description: "Read your notes" },
      { name: "notes:write", description: "Write notes" },
    ],
    command: (port) => [join(BINARIES, "axum-notes"), `127.0.0.1:${port}`],
    listens: LISTENS,
  },
  {
    // the tools, resources and prompts which the suite itself prescribes
    name: "rust",
    scopes: SUITE,
    command: (port) => [join(BINARIES, "examples/mcp-conformance"), `127.0.0.1:${port}`],
    listens: LISTENS,
  },
  python("python", "mcp"),
  python("fastmcp", "fastmcp"),
];
