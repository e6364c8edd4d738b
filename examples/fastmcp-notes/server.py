"""Notes for agents on the package `fastmcp`: an MCP server over STDIO, or over streamable HTTP with
`--http PORT`, where MCP clients find the way to a token by themselves.

What an agent may do is what the user granted to it: to read, to write, to delete. Notes live as
long as the process, each user's apart.
"""

import argparse
import os

import uvicorn
from fastmcp import FastMCP

from agentadmit.mcp import ToolGuard, auth_ctx

server = FastMCP("notes")
guard = ToolGuard(
    {
        "list_notes": "notes:read",
        "read_note": "notes:read",
        "add_note": "notes:write",
        "delete_note": ["notes:write", "notes:delete"],
    },
    config_path=os.path.join(os.path.dirname(__file__), "agentadmit.yaml"),
    connections_page=os.environ.get("NOTES_CONNECTIONS_PAGE"),
)
guard.protect(server)

_notes: dict[str, dict[int, str]] = {}


def mine() -> dict[int, str]:
    """The notes of the user in whose name the agent calls."""
    return _notes.setdefault(auth_ctx.get().user["user_id"], {})


@server.tool
def list_notes() -> str:
    """The numbers of all notes."""
    return ", ".join(str(number) for number in mine()) or "no notes"


@server.tool
async def read_note(number: int) -> str:
    """One note."""
    return mine().get(number, "there is no such note")


@server.tool
def add_note(text: str) -> str:
    """Writes a note, and says its number."""
    number = max(mine(), default=0) + 1
    mine()[number] = text
    return f"note {number}"


@server.tool
def delete_note(number: int) -> str:
    """Deletes a note for good."""
    return "deleted" if mine().pop(number, None) is not None else "there is no such note"


@server.tool
def wipe_server() -> str:
    """Deletes everybody's notes. No scope opens it: the map does not name it."""
    _notes.clear()
    return "wiped"


def main() -> None:
    """Serves until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    about = "serve http://127.0.0.1:PORT/mcp (0: a free port)"
    parser.add_argument("--http", type=int, metavar="PORT", help=about)
    port = parser.parse_args().http
    if port is None:
        server.run(transport="stdio", show_banner=False)
    else:
        app = guard.over_http(server.http_app(), first_scopes=["notes:read"])
        uvicorn.run(app, host="127.0.0.1", port=port)


if __name__ == "__main__":
    main()
