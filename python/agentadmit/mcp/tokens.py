"""Where the token of a call comes from.

On STDIO the server runs on the machine of its user, who can give it the token once: environment
first, a file next. An argument of the tool comes last, and only where the server says so: it goes
through the model's context, into transcripts and logs of others.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from agentadmit._client import AgentAdmit
from agentadmit.exceptions import CallRefusedError, ConfigurationError
from agentadmit.mcp.refusals import Words
from agentadmit.mcp.store import TokenStore, default_path

log = logging.getLogger("agentadmit")

TOKEN = "AGENTADMIT_TOKEN"  # noqa: S105 - the names of variables, no secrets
TOKEN_FILE = "AGENTADMIT_TOKEN_FILE"  # noqa: S105
TOKEN_STORE = "AGENTADMIT_TOKEN_STORE"  # noqa: S105

ACCESS = "ag_at_"
CONNECTION = "ag_ct_"


def bearer(authorization: Iterable[str], words: Words) -> str:
    """The token of an HTTP request, from all values of its `Authorization`.

    What is no token of an agent's stays here: it may be a secret of somebody else's.
    """
    values = list(authorization)
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.startswith("ag_"):
        raise words.no_token("send it as `Authorization: Bearer ag_at_…`, once.")
    if token.startswith(CONNECTION):
        raise words.connection_token()
    return token


class OwnTokens:
    """The token that a server on STDIO was started with, or that a call brings."""

    def __init__(self, client: AgentAdmit, words: Words, argument: str | None) -> None:
        """`argument` is the name of the tools' argument that may hold a token."""
        self._client = client
        self._words = words
        self._argument = argument
        # for one connection token: what came of it, `None` where it was refused
        self._exchanged: tuple[str, str | None] | None = None
        self._is_file_seen = False

    def at_hand(self, offered: str | None) -> str | None:
        """The access token of a call; `None` where `exchange` must be asked first.

        `offered` is what came as an argument. Raises `ToolRefusedError`.
        """
        own = self._own()
        if own is None:
            return self._of_argument(offered)
        if own.startswith(ACCESS):
            return own
        if not own.startswith(CONNECTION):
            raise ConfigurationError(f"{TOKEN} or {TOKEN_FILE} holds no token of AgentAdmit's")
        if self._exchanged is None or self._exchanged[0] != own:
            return None
        if self._exchanged[1] is None:
            raise self._words.not_exchanged()
        return self._exchanged[1]

    def exchange(self) -> str:
        """Exchanges the connection token, once for all processes. Blocks. Raises as `at_hand`, and
        what the service raises."""
        own = self._own() or ""
        named = os.environ.get(TOKEN_STORE)
        path = Path(named) if named else default_path(self._client.settings.app_id, own)
        try:
            token = TokenStore(path).access_token(own, self._ask)
        except CallRefusedError as error:
            if error.error != "invalid_grant":
                raise
            # asked again it would be refused again, and a replay ends a connection
            self._exchanged = (own, None)
            raise self._words.not_exchanged() from None
        self._exchanged = (own, token)
        return token

    def _ask(self, connection_token: str, idempotency_key: str) -> str:
        return self._client.exchange(connection_token, idempotency_key=idempotency_key).access_token

    def _own(self) -> str | None:
        token = os.environ.get(TOKEN, "").strip()
        file = os.environ.get(TOKEN_FILE)
        if token or not file:
            return token or None
        try:
            with Path(file).open(encoding="ascii") as opened:
                self._look_at(file, os.fstat(opened.fileno()).st_mode)
                return opened.read().strip() or None
        except (OSError, ValueError) as error:
            what = error.strerror if isinstance(error, OSError) else "it holds no token"
            raise ConfigurationError(f"{TOKEN_FILE} {file} cannot be read: {what}") from None

    def _look_at(self, file: str, mode: int) -> None:
        """Warns once of a file that others can read: whoever mounts secrets may have meant it."""
        if mode & 0o077 and not self._is_file_seen:
            log.warning("others can read the token in %s: `chmod 600` it", file)
        self._is_file_seen = True

    def _of_argument(self, offered: str | None) -> str:
        how = f"put the token into {TOKEN} of this server and start it again."
        if self._argument is not None:
            how = f"send the token as the argument `{self._argument}`, or better, {how}"
        if self._argument is None or not offered:
            raise self._words.no_token(how)
        if offered.startswith(CONNECTION):
            raise self._words.connection_token()
        return offered
