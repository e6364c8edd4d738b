// The MCP servers that the conformance suite is played against, in the order of the list.
import { join } from "node:path";
import { BINARIES } from "../support/world.js";
import type { Subject } from "./server-suite.js";

const LISTENS = /^listening on http:/;

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
    scopes: [{ name: "suite:use", description: "Whatever the suite asks for" }],
    command: (port) => [join(BINARIES, "examples/mcp-conformance"), `127.0.0.1:${port}`],
    listens: LISTENS,
  },
];
