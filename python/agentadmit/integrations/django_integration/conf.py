"""The setting `AGENTADMIT`: the keys of agentadmit.yaml in capitals, and the app's own functions.

A variable (`AGENTADMIT_…`) wins over the setting, and that over an agentadmit.yaml, which need not
be there.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.utils.module_loading import import_string

from agentadmit.exceptions import ConfigurationError

NAME = "AGENTADMIT"

KEYS = (
    "app_id",
    "name",
    "description",
    "service_url",
    "verify_url",
    "public_url",
    "resource",
    "authorization_server",
    "login_path",
    "api_key",
    "scopes",
    "durations",
    "max_retries",
    "max_waiting",
    "timeout_seconds",
    "route_prefix",
    "allowed_origins",
    "trusted_proxies",
    "private_key_path",
    "ca_file",
    "storage",
    "prompt_templates",
)
"""The keys of agentadmit.yaml. A test compares them with its JSON Schema."""

_STORAGE = ("url", "user_id_field", "active_field")

FUNCTIONS = ("GET_CURRENT_USER", "LOAD_USER", "IS_ADMIN", "FILTER_SCOPES_FOR_USER")
"""Functions of the app, or the dotted paths to them."""

CONFIG_PATH = "CONFIG_PATH"

_KNOWN = (*(key.upper() for key in KEYS), *FUNCTIONS, CONFIG_PATH)


@dataclass(frozen=True)
class Told:
    """What the setting says."""

    values: dict[str, Any]
    """By key of agentadmit.yaml, as the file would have it. They win over a file."""
    config_path: str | os.PathLike[str] | None
    functions: dict[str, Any]

    @property
    def arguments(self) -> dict[str, str]:
        """The values, each as a text that the configuration reads."""
        return {key: _text(value) for key, value in self.values.items()}


def told() -> Told:
    """Reads the setting. Raises `ConfigurationError` with every key that is wrong."""
    value = getattr(settings, NAME, None)
    if value is None:
        value = {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f'{NAME} must be a dictionary, such as {{"APP_ID": "app_…"}}')
    given = cast("Mapping[Any, Any]", value)
    wrong = list(wrong_keys(given))
    if wrong:
        raise ConfigurationError("\n".join(wrong))
    found = {key: _found(key, given.get(key.upper())) for key in KEYS}
    return Told(
        {key: _small(value) for key, value in found.items() if value is not None},
        given.get(CONFIG_PATH),
        {name: given[name] for name in FUNCTIONS if given.get(name) is not None},
    )


def wrong_keys(given: Mapping[Any, Any]) -> Iterator[str]:
    """A sentence for each key that does not exist, with the nearest that does."""
    for key in given:
        if key in _KNOWN:
            continue
        near = difflib.get_close_matches(str(key).upper(), _KNOWN, 1, 0.5)
        hint = f"; the nearest is {near[0]!r}" if near else ""
        yield f"{NAME} has no key {key!r}{hint}"


def _found(key: str, value: Any) -> Any:
    """The setting's value, unless a variable says something else."""
    if any(os.environ.get(f"{NAME}_{each.upper()}") for each in _same_as(key)):
        return None
    if key == "storage" and isinstance(value, Mapping):
        variables = {name: os.environ.get(f"{NAME}_STORAGE_{name.upper()}") for name in _STORAGE}
        named = _small(cast("Mapping[Any, Any]", value))
        return {**named, **{name: it for name, it in variables.items() if it}}
    return value


def _same_as(key: str) -> tuple[str, ...]:
    services = ("service_url", "verify_url")
    return services if key in services else (key,)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return json.dumps(value, default=str)
    return str(value)


def _small(value: Any) -> Any:
    """Names of members in small letters: `{"NAME": "read:orders"}` is as good as `{"name": …}`."""
    if isinstance(value, Mapping):
        members = cast("Mapping[Any, Any]", value)
        return {str(name).lower(): _small(each) for name, each in members.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_small(each) for each in cast("list[Any]", value)]
    return value


def function(value: Any) -> Any:
    """A function, or what a dotted path leads to. Raises `ConfigurationError`."""
    if isinstance(value, str):
        try:
            value = import_string(value)
        except ImportError as error:
            raise ConfigurationError(f"{NAME}: {error}") from error
    if not callable(value):
        raise ConfigurationError(f"{NAME}: {value!r} is no function, nor the dotted path to one")
    return value


def in_words_of_django(text: str) -> str:
    """An error of the configuration: what it calls an argument stands in the setting."""

    def setting(found: re.Match[str]) -> str:
        key = found[1].replace("-", "_")
        return f'{NAME}["{key.upper()}"]' if key in KEYS else found[0]

    text = re.sub(r"say:\n(--[a-z-]+) (.*)", r"write:\n\1 = \2", text)
    return re.sub(r"--([a-z-]+)", setting, text)
