"""The project's set-up: the setting read once, clients for threads and for event loops."""

from __future__ import annotations

import threading
from typing import Any

from django.core.signals import setting_changed

from agentadmit._calls import settings_of
from agentadmit._core import AsyncClient, BlockingClient, Gate, Settings
from agentadmit.exceptions import ConfigurationError
from agentadmit.integrations._setup import AsyncSetup, SyncSetup
from agentadmit.integrations.django_integration import conf
from agentadmit.integrations.django_integration.people import DjangoHooks

# what guards need of an address is nothing; no page has this origin (RFC 2606 section 2)
_NO_ADDRESS = "https://public-url-is-not-set.invalid"


class NotYetError(ConfigurationError):
    """What is missing somebody else gives: `agentadmit dev`, or an operator."""


class Integration:
    """What the setting `AGENTADMIT` comes to."""

    def __init__(self) -> None:
        """Reads the setting. Raises `ConfigurationError`."""
        told = conf.told()
        self.settings, self.has_public_url = _settings(told)
        self.hooks = DjangoHooks(told.functions)
        self.threads: SyncSetup[DjangoHooks] = SyncSetup(
            BlockingClient, None, self.settings, self.hooks, None
        )
        self.loops: AsyncSetup[DjangoHooks] = AsyncSetup(
            AsyncClient, None, self.settings, self.hooks, None
        )
        field = self.settings.user_id_field
        self.hooks.id_field = "pk" if field == "user_id" else field
        self.hooks.active_field = self.settings.active_field or "is_active"


def _settings(told: conf.Told) -> tuple[Settings, bool]:
    """The settings, and whether they say at which address the app is.

    Without one the guards work, and the mounted routes answer with the line to add.
    """
    try:
        settings = settings_of(told.config_path, told.arguments)
    except ConfigurationError as error:
        raise ConfigurationError(conf.in_words_of_django(str(error))) from None
    if settings.app_id is None:
        raise NotYetError(
            'AGENTADMIT["APP_ID"] is not set, or a placeholder: `manage.py agentadmit dev` gives '
            "one for development, an operator's `agentadmit apps create` one for good"
        )
    try:
        Gate(settings)
    except ConfigurationError as error:
        try:
            named = settings_of(told.config_path, {"public_url": _NO_ADDRESS, **told.arguments})
            Gate(named)
        except ConfigurationError:
            raise error from None
        return named, False
    return settings, True


_lock = threading.Lock()
_built: Integration | None = None


def integration() -> Integration:
    """The project's integration, built at the first call. Raises `ConfigurationError`."""
    global _built
    built = _built
    if built is None:
        with _lock:
            built = _built
            if built is None:
                built = _built = Integration()
    return built


def _forget(*, setting: str, **_: Any) -> None:
    """A test has changed the setting."""
    global _built
    if setting == conf.NAME:
        _built = None


setting_changed.connect(_forget, dispatch_uid="agentadmit")
