"""A request's head and form as WSGI servers hand them over (PEP 3333)."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from agentadmit._core import Head
from agentadmit.integrations._request import LOOKED_AT

if TYPE_CHECKING:
    from typing_extensions import Buffer

_BEGINS = re.compile(r"\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+\s+\S")


class Readable(Protocol):
    """A body."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


def head_of(environ: Mapping[str, Any], path: str) -> Head:
    """What guards and mounted routes read of a request. `path` is decoded."""
    query: str = environ.get("QUERY_STRING", "")
    return Head(
        environ.get("REQUEST_METHOD", "GET"),
        path,
        query.encode("latin-1", "replace"),
        _headers(environ),
        environ.get("REMOTE_ADDR") or None,
    )


def _headers(environ: Mapping[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            key = key[5:]
        elif key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            continue
        name = key.replace("_", "-").lower().encode("latin-1", "replace")
        if name == b"authorization":
            for each in _each_authorization(value):
                yield name, each.encode("latin-1", "replace")
            continue
        if name == b"cookie":
            # a second header comes behind a comma, which no cookie has in it (RFC 6265)
            value = value.replace(",", ";")
        yield name, value.encode("latin-1", "replace")


def _each_authorization(value: str) -> Iterator[str]:
    """Servers join headers of one name with a comma: as many values as begin with a scheme."""
    found: list[str] = []
    is_quoted = False
    for piece in value.split(","):
        if is_quoted or (found and not _BEGINS.match(piece)):
            found.append(piece)
        else:
            if found:
                yield ",".join(found).strip()
            found = [piece]
        is_quoted ^= piece.count('"') % 2 == 1
    yield ",".join(found).strip()


def form_of(stream: Readable, length: int | None) -> bytes:
    """The beginning of a form of so many bytes; without a length to the end."""
    beginning = bytearray()
    most = LOOKED_AT if length is None else min(LOOKED_AT, length)
    while len(beginning) < most:
        piece = stream.read(most - len(beginning))
        if not piece:
            break
        beginning += piece
    return bytes(beginning)


class Again(io.RawIOBase):
    """A body whose beginning was read: gives it out again, and then the rest.

    Never reads more from the server than it is asked for: behind the body nothing comes.
    """

    def __init__(self, beginning: bytes, rest: Readable) -> None:
        """`rest` is the server's own stream."""
        super().__init__()
        self._beginning = memoryview(beginning)
        self._rest = rest

    def readable(self) -> bool:
        """Yes."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """All of so many bytes, as a server's own stream gives them; fewer at the end."""
        if size < 0:
            return self.readall()
        whole = bytearray()
        while len(whole) < size and (piece := super().read(size - len(whole))):
            whole += piece
        return bytes(whole)

    def readinto(self, buffer: Buffer, /) -> int:
        """From one of both."""
        target = memoryview(buffer).cast("B")
        piece: bytes | memoryview = self._beginning[: len(target)]
        if len(piece) > 0:
            self._beginning = self._beginning[len(piece) :]
        else:
            piece = self._rest.read(len(target))
        target[: len(piece)] = piece
        return len(piece)
