"""A server for MCP's conformance suite behind `ToolGuard`: `server.py mcp|fastmcp PORT`.

`web/tests/oauth/server-subjects.ts` starts it; the results are in
`contract/mcp-server-conformance.json`.
"""

import importlib
import sys

import uvicorn

from agentadmit.mcp import ToolGuard

# what is answered without a scope
OPEN_METHODS = [
    "completion/complete",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "subscriptions/listen",
]


def main() -> None:
    """Serves until it is stopped."""
    package, port = sys.argv[1:]
    made = importlib.import_module(f"on_{package}")
    guard = ToolGuard(dict.fromkeys(made.tools, "suite:use"), open_methods=OPEN_METHODS)
    guard.protect(made.server)
    uvicorn.run(guard.over_http(made.app), host="127.0.0.1", port=int(port))


if __name__ == "__main__":
    main()
