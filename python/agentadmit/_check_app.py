"""`agentadmit check --app shop:app`: what is doubtful about the routes of a Python app."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any

from agentadmit.exceptions import ConfigurationError

# which integration looks at apps of which framework
_CHECKS = {
    "django": "agentadmit.integrations.django_integration",
    "flask": "agentadmit.integrations.flask_integration",
    "starlette": "agentadmit.integrations.fastapi_integration",
}


def taken_from(arguments: list[str]) -> tuple[str | None, list[str]]:
    """The value of `--app` of the command `check`, and the other arguments."""
    if arguments[:1] != ["check"]:
        return None, arguments
    left: list[str] = []
    named: str | None = None
    rest = iter(arguments)
    for argument in rest:
        if argument == "--app":
            named = next(rest, "")
        elif argument.startswith("--app="):
            named = argument.removeprefix("--app=")
        else:
            left.append(argument)
    return named, left


def check_app(named: str) -> int:
    """Prints a line for each finding: 0 without any, 1 with some, 2 when there is no such app."""
    module, _, attribute = named.partition(":")
    attribute = attribute.removesuffix("()")
    if not module or not attribute:
        return _wrong("--app wants a module and the app's name in it, such as `--app shop:app`")
    sys.path.insert(0, os.getcwd())
    try:
        app = getattr(importlib.import_module(module), attribute)
        check = _check_for(app)
        if check is None and _is_factory(app):
            app = app()
            check = _check_for(app)
        if check is None:
            kind = type(app).__name__
            return _wrong(f"--app {named}: {kind} is no app that this command can look at")
        found = check(app)
    except (ImportError, AttributeError, ConfigurationError) as error:
        return _wrong(f"--app {named}: {error}")
    for sentence in found:
        print(f"app: {sentence}")
    return 1 if found else 0


def _check_for(app: Any) -> Callable[[Any], list[str]] | None:
    for kind in type(app).__mro__:
        name = _CHECKS.get(kind.__module__.split(".")[0])
        if name is not None:
            found: Callable[[Any], list[str]] = importlib.import_module(name).check
            return found
    return None


def _is_factory(thing: Any) -> bool:
    """A function that makes an app and is told nothing."""
    if not inspect.isfunction(thing):
        return False
    try:
        inspect.signature(thing).bind()
    except TypeError:
        return False
    return True


def _wrong(sentence: str) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return 2
