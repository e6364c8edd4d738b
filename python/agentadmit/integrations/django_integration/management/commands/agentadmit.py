"""`python manage.py agentadmit check`, `dev`, `sync` and so on: the command of the package, told
what the setting `AGENTADMIT` says.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Generator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agentadmit._calls import DEFAULT_FILE
from agentadmit.exceptions import ConfigurationError
from agentadmit.integrations.django_integration import conf
from agentadmit.integrations.django_integration.checks import check

# what reads a configuration
_CONFIGURED = ("check", "dev", "doctor", "keys", "sync")


class Command(BaseCommand):
    """Runs a command of `agentadmit` with what the project's settings say."""

    help = "Runs a command of agentadmit (check, sync, dev, …) with what AGENTADMIT says."
    requires_system_checks: Any = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Everything behind the name is the command's."""
        parser.add_argument("arguments", nargs=argparse.REMAINDER, help="such as `check`")

    def handle(self, *_: Any, **options: Any) -> None:
        """Ends with the command's own exit code, where that is not 0."""
        from agentadmit import _core

        arguments: list[str] = options["arguments"]
        run = getattr(_core, "main", None)
        if run is None:
            raise CommandError("this build of agentadmit has no command in it")
        try:
            told = conf.told()
        except ConfigurationError as error:
            raise CommandError(str(error), returncode=2) from error
        code = self._of_project() if arguments[:1] == ["check"] else 0
        again = [sys.executable, "-m", "agentadmit"]
        with _with_settings(told, arguments) as whole:
            code = max(code, run(["agentadmit", *whole], again))
        if code:
            sys.exit(code)

    def _of_project(self) -> int:
        findings = check()
        for sentence in findings:
            self.stdout.write(f"project: {sentence}")
        return 1 if findings else 0


@contextlib.contextmanager
def _with_settings(told: conf.Told, arguments: list[str]) -> Generator[list[str]]:
    """The arguments, with the setting where the command looks for agentadmit.yaml.

    Where there is none it stands in this folder for as long as the command runs, without the key:
    beside it is what `dev` keeps.
    """
    has_own = any(each.partition("=")[0] == "--config" for each in arguments)
    if not arguments or arguments[0] not in _CONFIGURED or has_own:
        yield arguments
        return
    if "api_key" in told.values:
        os.environ[f"{conf.NAME}_API_KEY"] = str(told.values["api_key"])
    file = told.config_path or (DEFAULT_FILE if os.path.exists(DEFAULT_FILE) else None)
    if file is not None:
        for key, text in told.arguments.items():
            os.environ[f"{conf.NAME}_{key.upper()}"] = text
        yield [arguments[0], "--config", os.fspath(file), *arguments[1:]]
        return
    kept = {key: value for key, value in told.values.items() if key != "api_key"}
    lines = [f"{key}: {json.dumps(value, default=str)}\n" for key, value in kept.items()]
    with tempfile.NamedTemporaryFile(
        "w", dir=".", prefix="AGENTADMIT-of-settings-", suffix=".yaml", encoding="utf-8"
    ) as written:
        written.writelines(lines)
        written.flush()
        name = os.path.basename(written.name)
        yield [arguments[0], "--config", name, *arguments[1:]]
