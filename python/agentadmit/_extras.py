"""What is said where a package is missing that an extra brings."""

from __future__ import annotations


def how_to_install(extra: str) -> str:
    """What to run: the name on the package index is somebody else's."""
    return (
        f"install agentadmit with its extra `{extra}`, by path, as in "
        f"`pip install './python[{extra}]'`"
    )


def missing(what: str, error: ModuleNotFoundError, extra: str) -> ModuleNotFoundError:
    """The error of an import, with the extra that brings the package; ours goes on as it is."""
    if (error.name or "").split(".")[0] == "agentadmit":
        return error
    text = f"{what} needs the package {error.name!r}: {how_to_install(extra)}"
    return ModuleNotFoundError(text, name=error.name)
