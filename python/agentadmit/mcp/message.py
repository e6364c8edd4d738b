"""What a message of MCP asks for, as far as a guard of HTTP must know it, and what is said in the
server's place.

The server behind the guard reads the same bytes once more. What two readers could understand
differently (a member that is there twice) is therefore no message here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container
from typing import Any, NamedTuple

from agentadmit.mcp.refusals import NOT_MAPPED

# JSON-RPC 2.0, section 5.1
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602

CALL = "tools/call"
LIST = "tools/list"

MAX_MESSAGE_BYTES = 1024 * 1024
"""How long a message may be unless said, in bytes: it is read before anybody knows whose it is."""

# what holds no data of anybody's, beside notifications
_HARMLESS = frozenset({"initialize", "ping", "logging/setLevel", "server/discover", CALL, LIST})

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers and body."""


class Asked(NamedTuple):
    """What a request asks for."""

    endpoint: str
    """What the service is told."""
    tool: str | None = None
    """The tool that is called."""
    method: str | None = None
    """The method of the message; `None` where it is none, or an answer to the server."""
    id: Any = None
    """What the answer names."""
    fault: tuple[int, int, str] | None = None
    """Status, code and text, where no server should read it."""


_NOTHING = Asked("mcp:POST")


def read(body: bytes) -> Asked:
    """Reads the body of a POST."""
    if body.lstrip(b" \t\r\n").startswith(b"["):
        text = "several messages in one request are not taken: send each alone"
        return _NOTHING._replace(fault=(400, INVALID_REQUEST, text))
    message = _message(body)
    if message is None:
        text = "the body is no message of JSON-RPC, or one that says two things at once"
        return _NOTHING._replace(fault=(400, PARSE_ERROR, text))
    method: str | None = message.get("method")
    number, params = message.get("id"), message.get("params")
    if method is None:  # an answer to a question of the server's
        return _NOTHING
    if method != CALL:
        return Asked(f"mcp:{method}" if method else "mcp:POST", None, method, number)
    tool: Any = params.get("name") if params else None
    if isinstance(tool, str) and tool:
        return Asked(f"tool:{tool}", tool, CALL, number)
    text = "`name` is a text, and `arguments` is an object"
    return Asked(f"mcp:{CALL}", None, CALL, number, (200, INVALID_PARAMS, text))


def instead(
    asked: Asked, tools: Container[str], open_methods: Container[str], *, is_stateless: bool
) -> Answer | None:
    """The answer to what never reaches the server."""
    if asked.fault is not None:
        status, code, text = asked.fault
        return _error(status, asked.id, code, text)
    if asked.tool is not None:
        return None if asked.tool in tools else _not_mapped(asked.id, is_stateless=is_stateless)
    if asked.method is None or is_harmless(asked.method, is_note=asked.id is None):
        return None
    if asked.method in open_methods:
        return None
    return _error(404 if is_stateless else 200, asked.id, METHOD_NOT_FOUND, not_open(asked.method))


def is_harmless(method: str, *, is_note: bool) -> bool:
    """Whether a method's answer is nobody's data."""
    return method in _HARMLESS or (is_note and method.startswith("notifications/"))


def not_open(method: str) -> str:
    """What is said of a method that answers with data and knows no scope."""
    why = "only tools are guarded, and nothing else is let in"
    return f"`{method[:100]}` is not open to agents: {why}"


class _Members(dict[str, Any]):
    """An object of JSON."""

    twice: frozenset[str] = frozenset()
    """The members that stand there more than once."""


def _members(pairs: list[tuple[str, Any]]) -> _Members:
    members = _Members(pairs)
    if len(members) != len(pairs):
        times = Counter(name for name, _ in pairs)
        members.twice = frozenset(name for name, often in times.items() if often > 1)
    return members


def _message(body: bytes) -> _Members | None:
    """An object whose `method` is a text and whose `params` are an object, each once."""
    try:
        # a text: of bytes it would guess the encoding, and a server does not
        message = json.loads(body.decode(), object_pairs_hook=_members)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, _Members) or message.twice & {"id", "method", "params"}:
        return None
    method, params = message.get("method"), message.get("params")
    if not isinstance(method, str | None) or not isinstance(params, _Members | None):
        return None
    return None if params is not None and "name" in params.twice else message


def _not_mapped(number: Any, *, is_stateless: bool) -> Answer:
    result: dict[str, Any] = {"content": [{"type": "text", "text": NOT_MAPPED}], "isError": True}
    if is_stateless:
        result["resultType"] = "complete"
    return _answer(200, {"jsonrpc": "2.0", "id": number, "result": result})


def _error(status: int, number: Any, code: int, text: str) -> Answer:
    error = {"code": code, "message": text}
    return _answer(status, {"jsonrpc": "2.0", "id": number, "error": error})


def _answer(status: int, message: dict[str, Any]) -> Answer:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    return status, headers, json.dumps(message).encode()
