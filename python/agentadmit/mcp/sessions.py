"""Whose session it is: it holds what is said to one user's agent, so its id is good with a token of
that user and with no other (MCP, Security Best Practices, "Session Hijacking").

The server's own id goes out with a proof that it was given to this user. Nothing is kept, and
nothing has to be forgotten. The key lives as long as the process, as the sessions do.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Iterable

from agentadmit._core import refuse

Headers = list[tuple[bytes, bytes]]

SESSION = b"mcp-session-id"


class Sessions:
    """Binds the sessions of a server to users."""

    def __init__(self) -> None:
        """With a key of its own."""
        self._key = secrets.token_bytes(32)

    def opened(self, headers: Iterable[tuple[bytes, bytes]], user_id: str) -> Headers:
        """The headers of a request; a session that they name has the server's own id in them.

        Raises what answers 404: another user's session looks like one that there never was.
        """
        given = list(headers)
        named = [value for name, value in given if name.lower() == SESSION]
        if not named:
            return given
        own = self._own_id(named[0], user_id) if len(named) == 1 else None
        if own is None:
            raise refuse(404, "not_found", "this user has no such session: initialize again")
        return [(name, own if name.lower() == SESSION else value) for name, value in given]

    def sealed(self, headers: Iterable[tuple[bytes, bytes]], user_id: str) -> Headers:
        """The headers of an answer, with the session that it begins bound to the user."""
        return [
            (name, b".".join((value, self._tag(value, user_id))))
            if name.lower() == SESSION
            else (name, value)
            for name, value in headers
        ]

    def _own_id(self, named: bytes, user_id: str) -> bytes | None:
        own, dot, tag = named.rpartition(b".")
        # compares in constant time
        return own if dot and hmac.compare_digest(tag, self._tag(own, user_id)) else None

    def _tag(self, own: bytes, user_id: str) -> bytes:
        # the length tells where the user's id ends
        user = user_id.encode()
        signed = hmac.digest(self._key, b"%d:%b%b" % (len(user), user, own), "sha256")
        return base64.urlsafe_b64encode(signed).rstrip(b"=")
