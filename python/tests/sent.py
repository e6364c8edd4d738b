"""What leaves an app for the service, call by call, as docs/compliance.md lists it."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "compliance.md").read_text()

ROW = re.compile(r"^\|[^|]*`([A-Z]+) (/v1/[^`]+)` \|([^|]*)\|$", re.MULTILINE)
MEMBER = re.compile(r"`([a-z_]+)`")


def _header() -> set[str]:
    [line] = re.findall(r"^Header fields: (.*)$", PAGE, re.MULTILINE)
    return set(re.findall(r"`([a-z-]+)`", line))


# by method and path: the members of the body, or of the query
MEMBERS = {
    (method, path): set(MEMBER.findall(members)) for method, path, members in ROW.findall(PAGE)
}

# the header fields of every call; `idempotency-key` of an exchange alone
HEADER = _header()
