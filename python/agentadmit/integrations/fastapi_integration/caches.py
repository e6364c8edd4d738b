"""What caches are told of a guarded route's answer, and what of it an agent does not get."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders

from agentadmit.integrations.fastapi_integration.state import RequestState

Message = MutableMapping[str, Any]

_DIRECTIVE = re.compile(r'(?:[^,"]|"[^"]*")+')
"""One directive of `Cache-Control`; a quoted list may hold commas (RFC 9111 section 5.2)."""


def told(message: Message, known: RequestState) -> Message:
    """A message on its way out.

    Whoever stands at a guard is answered by what they show, and an agent's answer is this agent's
    alone. A route that signs somebody in, or remembers them, would hand the agent a session.
    """
    if message["type"] not in ("http.response.start", "websocket.http.response.start"):
        return message
    if not (known.is_guarded or known.is_agent):
        return message
    headers = MutableHeaders(raw=list(message.get("headers", [])))
    _vary_by_authorization(headers)
    if known.is_agent:
        del headers["set-cookie"]
    if known.admitted is not None:
        _keep_private(headers)
    return {**message, "headers": headers.raw}


def _vary_by_authorization(headers: MutableHeaders) -> None:
    names = {name.strip().lower() for line in headers.getlist("vary") for name in line.split(",")}
    if not names & {"authorization", "*"}:
        headers.append("vary", "Authorization")


def _keep_private(headers: MutableHeaders) -> None:
    lines = ",".join(headers.getlist("cache-control"))
    directives = [it.strip() for it in _DIRECTIVE.findall(lines) if it.strip()]
    names = {it.split("=")[0].strip().lower() for it in directives}
    if "no-store" in names:
        return
    open_to_all = ("public", "s-maxage", "private")
    kept = [it for it in directives if it.split("=")[0].strip().lower() not in open_to_all]
    headers["cache-control"] = ", ".join([*kept, "private"])
