"""The panels' calls, from the list that the shop of every framework answers."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from support import Reply, Site, bearer

FILE = Path(__file__).parents[3] / "contract" / "panel-calls.json"
LIST = json.loads(FILE.read_text(encoding="utf-8"))
SHAPES = LIST["shapes"]

Header = tuple[str, str]


def play_calls(site: Site, origin: str, sessions: dict[str, list[Header]], user_id: str) -> None:
    """Every call, in order. `sessions`: what the browsers of user, other and admin send."""
    now = datetime.now(timezone.utc)
    soon = (now + timedelta(hours=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    known = {
        "scope": "read:orders",
        "more": "write:orders",
        "user": user_id,
        "today": now.date().isoformat(),
        "soon": soon,
    }
    for call in LIST["calls"]:
        what = f"{call['method']} {call['path']} as {call['as']}"
        path, body = _filled(call["path"], known), _filled(call.get("body"), known)
        headers = _headers(call, origin, sessions, known)
        reply = site.ask(call["method"], f"/agentadmit{path}", headers, json_body=body)
        assert reply.status == call["status"], f"{what}: {reply}"
        if call["answer"] is None:
            continue
        assert reply.headers["cache-control"] == "no-store", what
        assert wrong(reply.json, call["answer"]) == [], what
        for pointer, value in call.get("says", {}).items():
            assert _at(reply, pointer) == _filled(value, known), f"{what}: {pointer}"
        for name, pointer in call.get("keep", {}).items():
            known[name] = _at(reply, pointer)
    assert len(LIST["calls"]) > 20


def _headers(
    call: Any, origin: str, sessions: dict[str, list[Header]], known: dict[str, str]
) -> list[Header]:
    caller = call["as"]
    if caller == "agent":
        headers = [bearer(known["access"])]
    else:
        headers = list(sessions.get("user" if caller == "elsewhere" else caller, []))
    if "body" in call and caller != "nobody":
        is_elsewhere = caller == "elsewhere"
        headers.append(("Origin", "https://elsewhere.example" if is_elsewhere else origin))
    return headers


def _filled(value: Any, known: dict[str, str]) -> Any:
    """Puts in what stands in braces, wherever it is."""
    text = json.dumps(value)
    return json.loads(re.sub(r"\{(\w+)\}", lambda it: known.get(it[1], it[0]), text))


def _at(reply: Reply, pointer: str) -> Any:
    value = reply.json
    for name in pointer.split("/")[1:]:
        value = value[int(name) if isinstance(value, list) else name]
    return value


_TYPES: dict[str, Any] = {
    "any": lambda _: True,
    "text": lambda it: isinstance(it, str),
    "number": lambda it: isinstance(it, int) and not isinstance(it, bool),
    "flag": lambda it: isinstance(it, bool),
    "time": lambda it: isinstance(it, str) and re.fullmatch(r"\d{4}-.*T.*\.\d{3}Z", it) is not None,
}


def wrong(value: Any, shape: Any, place: str = "") -> list[str]:
    """Where a value is not of a shape."""
    otherwise = [f"{place or '/'} is {value!r}, not {shape}"]
    if isinstance(shape, str):
        name = shape.removesuffix("?")
        if value is None and name != shape:
            return []
        if name in _TYPES:
            return [] if _TYPES[name](value) else otherwise
        return wrong(value, SHAPES[name], place)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return otherwise
        return [it for n, each in enumerate(value) for it in wrong(each, shape[0], f"{place}/{n}")]
    if not isinstance(value, dict):
        return otherwise
    found = []
    for member, inner in shape.items():
        name = member.removesuffix("?")
        if name in value:
            found += wrong(value[name], inner, f"{place}/{name}")
        elif name == member:
            found.append(f"{place}/{name} is missing")
    known = {member.removesuffix("?") for member in shape}
    return found + [f"{place}/{it} stands in no contract" for it in value if it not in known]
