"""The blocks of the SDK 1.0.0 README, as printed, from the folder that AGENTADMIT_README_SNIPPETS
names; without it the same names are tested by examples of our own, in `OUR_OWN` of each module.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# read here: the tests take such variables away
FOLDER = os.environ.get("AGENTADMIT_README_SNIPPETS")


@pytest.fixture(params=["printed", "our own"])
def block(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """A block by its file's name."""
    if request.param == "our own":
        own: dict[str, str] = request.module.OUR_OWN
        return own.__getitem__
    if FOLDER is None:
        pytest.skip("AGENTADMIT_README_SNIPPETS names no folder")
    return lambda name: (Path(FOLDER) / name).read_text(encoding="utf-8")


def run(source: str, name: str, **names: Any) -> dict[str, Any]:
    names["__name__"] = "block"
    exec(compile(source, name, "exec"), names)
    return names
