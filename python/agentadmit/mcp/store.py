"""The file in which an exchanged access token is kept: mode 0600, under a lock, replaced in one
piece."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Generator
from hashlib import sha256
from pathlib import Path
from typing import Any

from agentadmit.exceptions import ConfigurationError

Exchange = Callable[[str, str], str]
"""Connection token and idempotency key to access token."""


def default_path(app_id: str | None, connection_token: str) -> Path:
    """Below the user's state folder (XDG base directories), one file for each connection token."""
    state = Path(os.environ.get("XDG_STATE_HOME") or "")
    if not state.is_absolute():
        state = Path.home() / ".local" / "state"
    return state / "agentadmit" / f"{app_id or 'app'}-{digest(connection_token)[:16]}.json"


def digest(connection_token: str) -> str:
    """What stands for a connection token where the token itself must not."""
    return sha256(connection_token.encode()).hexdigest()


class TokenStore:
    """Exchanges a connection token once, whatever number of processes want it."""

    def __init__(self, path: Path) -> None:
        """Nothing is read or made yet."""
        self._path = path

    def access_token(self, connection_token: str, exchange: Exchange) -> str:
        """The access token of a connection token: that in the file, else a new one.

        Whoever comes second waits for the first. The file is written before the exchange, with the
        idempotency key in it: a folder that cannot be written is found out in time, and after a
        crash the same exchange can be asked for again.

        Raises `ConfigurationError` for a file that others can read or that is somebody else's, and
        what `exchange` raises.
        """
        name = digest(connection_token)
        try:
            with self._locked():
                state = self._read()
                if state.get("connection_token_sha256") != name:
                    state = {
                        "connection_token_sha256": name,
                        "idempotency_key": secrets.token_urlsafe(24),
                    }
                    self._write(state)
                kept = state.get("access_token")
                if isinstance(kept, str):
                    return kept
                made = exchange(connection_token, str(state["idempotency_key"]))
                self._write({**state, "access_token": made})
                return made
        except (OSError, KeyError, ValueError) as error:
            # ValueError: no JSON, or no UTF-8; its text would show what stands there
            what = error if isinstance(error, OSError) else "it is not what was written there"
            text = f"the token store {self._path} cannot be used: {what}"
            raise ConfigurationError(text) from None

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        lock = os.open(f"{self._path}.lock", flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _read(self) -> dict[str, Any]:
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return {}
        with os.fdopen(file, encoding="utf-8") as opened:
            self._check(os.fstat(opened.fileno()))
            state = json.load(opened)
        return state if isinstance(state, dict) else {}  # pyright: ignore[reportUnknownVariableType]

    def _check(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            text = f"the token store {self._path} is not a file of this user: remove it"
            raise ConfigurationError(text)
        if found.st_mode & 0o077:
            text = f"others can read the token store {self._path}: remove it, or `chmod 600` it"
            raise ConfigurationError(text)

    def _write(self, state: dict[str, Any]) -> None:
        # mkstemp makes it 0600
        file, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(file, "w", encoding="utf-8") as opened:
                json.dump(state, opened)
                opened.flush()
                os.fsync(opened.fileno())
            os.replace(name, self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
