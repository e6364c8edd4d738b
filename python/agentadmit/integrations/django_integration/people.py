"""The app's own users: `request.user`, and the user model by id."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from asgiref.sync import async_to_sync, sync_to_async
from asgiref.sync import (
    iscoroutinefunction as is_coroutine_function,  # pyright: ignore[reportDeprecated]
)
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import (
    ImproperlyConfigured,
    MultipleObjectsReturned,
    PermissionDenied,
    ValidationError,
)
from django.db.models import Model
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve

from agentadmit.context import id_of
from agentadmit.exceptions import AgentAdmitError
from agentadmit.integrations._setup import AppHooks, unknown_users
from agentadmit.integrations._sync import RequestHooks as BaseHooks
from agentadmit.integrations.django_integration import conf

if TYPE_CHECKING:
    from django.http import HttpRequest

PERMISSION = "agentadmit.manage_connections"
"""What makes a user an admin of connections who is no member of the staff."""

_NO_USERS = (
    "who signs in to this app is not known here: add "
    "'django.contrib.auth.middleware.AuthenticationMiddleware' to MIDDLEWARE, or "
    'AGENTADMIT["GET_CURRENT_USER"], a function of the request'
)


class DjangoHooks(AppHooks):
    """What the settings say of the app's users; Django's own where they say nothing."""

    def __init__(self, functions: dict[str, Any]) -> None:
        """Raises `ConfigurationError` for what is no function."""
        told = {name: conf.function(value) for name, value in functions.items()}
        super().__init__(
            load_user=told.get("LOAD_USER"),
            is_admin=told.get("IS_ADMIN", is_admin),
            filter_scopes_for_user=told.get("FILTER_SCOPES_FOR_USER"),
        )
        self.current: Callable[[HttpRequest | None], Any] | None = told.get("GET_CURRENT_USER")
        self.id_field = "pk"
        self.active_field = "is_active"


class RequestHooks(BaseHooks):
    """The same for one request, on a thread."""

    app: DjangoHooks

    def __init__(
        self, app: DjangoHooks, request: HttpRequest | None = None, *, is_for_agents: bool = False
    ) -> None:
        """Without a request only agents' users are loaded."""
        super().__init__(app, is_for_agents=is_for_agents)
        self.request = request

    def signed_in(self) -> Any:
        """The signed-in user, or `None`. Raises where nobody said who that is."""
        if self.app.current is not None:
            return self.call(self.app.current, self.request)
        user = getattr(self.request, "user", None)
        if user is None:
            raise unknown_users(_NO_USERS)
        return user if user.is_authenticated else None

    def means_nobody(self, error: Exception) -> bool:
        """Django's no, that of Django REST framework, and where nobody said who signs in."""
        is_denied = isinstance(error, PermissionDenied)
        return (
            is_denied
            or getattr(error, "status_code", 0) in (401, 403)
            or super().means_nobody(error)
        )

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """A function of the app's, plain or async."""
        if is_async(function) or is_async(getattr(function, "__call__", None)):  # noqa: B004
            return async_to_sync(function)(*arguments)
        return function(*arguments)

    def sign_in_page(self, back: str) -> Any:
        """`LOGIN_URL`, where a view of the project answers there, or where it is another site's."""
        try:
            url = resolve_url(settings.LOGIN_URL)
            parts = urlsplit(url)
            if not parts.netloc:
                resolve("/" + parts.path.removeprefix(get_script_prefix()).lstrip("/"))
        except (NoReverseMatch, Resolver404):
            return None
        # its module wants the models, which are not there yet when this one is imported
        from django.contrib.auth.views import redirect_to_login

        return redirect_to_login(back, url).url

    def load_user(self, user_id: str) -> Any:
        """The user in whose name an agent calls; `None` for one who is gone or not active."""
        if self.app.load is not None:
            return super().load_user(user_id)
        user = _of_model(self.app.id_field, user_id)
        if user is None or getattr(user, self.app.active_field, None) is not True:
            return None
        if not hasattr(user, "user_id"):
            user.user_id = user_id
        return user

    def id_of(self, user: Any, *, is_loaded: bool) -> str | None:
        """A user's id."""
        if isinstance(user, Model):
            return id_of(user, self.app.id_field)
        return super().id_of(user, is_loaded=is_loaded)


class VisitorHooks(RequestHooks):
    """For a page that sends whoever is not signed in to sign in: the app's no means nobody."""

    def means_nobody(self, error: Exception) -> bool:
        """Whether the app says that nobody is signed in, and no more."""
        return not isinstance(error, AgentAdmitError) and super().means_nobody(error)


class AsyncRequestHooks:
    """The same in an event loop.

    What may ask a database is asked on the request's thread, an async function of the app's here.
    """

    def __init__(self, hooks: RequestHooks) -> None:
        """`hooks` are asked."""
        self.hooks = hooks
        self.id_of = hooks.id_of

    async def current_user(self) -> Any:
        """The signed-in user, or `None`."""
        hooks = self.hooks
        try:
            if hooks.app.current is not None and is_async(hooks.app.current):
                return await hooks.app.current(hooks.request)
            return await sync_to_async(hooks.signed_in)()
        except Exception as error:
            if hooks.is_for_agents and hooks.means_nobody(error):
                return None
            raise

    async def load_user(self, user_id: str) -> Any:
        """The user in whose name an agent calls."""
        return await _asked(self.hooks.app.load, self.hooks.load_user, user_id)

    async def sign_in_page(self, back: str) -> Any:
        """Where people sign in."""
        return await sync_to_async(self.hooks.sign_in_page)(back)

    async def is_admin(self, user: Any) -> Any:
        """The app's admin check."""
        return await _asked(self.hooks.app.is_admin, self.hooks.is_admin, user)

    async def filter_scopes(self, user: Any, scopes: list[dict[str, Any]]) -> Any:
        """What the app lets this user grant."""
        return await _asked(self.hooks.app.filter, self.hooks.filter_scopes, user, scopes)


async def _asked(own: Any, otherwise: Callable[..., Any], *arguments: Any) -> Any:
    """An async function of the app's, or what asks anything else on a thread."""
    if own is not None and is_async(own):
        return await own(*arguments)
    return await sync_to_async(otherwise)(*arguments)


def is_async(function: Any) -> bool:
    """Whether a call makes a coroutine, also of a function that Django has marked as async."""
    # inspect knows the marks of asgiref from Python 3.12 on
    return is_coroutine_function(function)  # pyright: ignore[reportDeprecated]


def is_admin(user: Any) -> bool:
    """The staff, and whoever has the permission; superusers have every one."""
    if not getattr(user, "is_active", False):
        return False
    return bool(getattr(user, "is_staff", False) or user.has_perm(PERMISSION))


def _of_model(field: str, user_id: str) -> Any:
    """The one user of this id. What is no id of the model is nobody's."""
    try:
        model = get_user_model()
    except ImproperlyConfigured as error:
        raise unknown_users(
            f'no user can be loaded: {error}: set AGENTADMIT["LOAD_USER"]'
        ) from error
    try:
        user = model._default_manager.get(**{field: user_id})
    except (
        model.DoesNotExist,
        MultipleObjectsReturned,
        ValidationError,
        ValueError,
        OverflowError,
    ):
        return None
    # a database may compare more loosely than the service: case, blanks, numbers as text
    return user if str(getattr(user, field)) == user_id else None
