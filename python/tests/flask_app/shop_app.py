"""An app as Flask apps are: sessions, flask-login, and flask-wtf's tokens against other sites."""

from __future__ import annotations

from typing import Any

from flask import Flask, session
from flask_login import LoginManager, UserMixin, current_user, login_user
from flask_wtf.csrf import CSRFProtect, generate_csrf
from support import Site


class Person(UserMixin):
    """A user of flask-login's."""

    def __init__(self, user_id: str) -> None:
        self.id = user_id
        self.user_label = f"{user_id} of the shop"

    def __getitem__(self, name: str) -> str:
        return {"user_id": self.id, "user_label": self.user_label}[name]

    @property
    def is_active(self) -> bool:
        return self.id != "locked"


def app_with_login(**config: Any) -> Flask:
    """Its users sign in at `/login/NAME`, and get their token at `/csrf`."""
    app = Flask("shop")
    app.config.update(SECRET_KEY="x" * 32, **config)
    CSRFProtect(app)
    manager = LoginManager(app)

    @manager.user_loader
    def load(user_id: str) -> Person | None:
        return None if user_id == "gone" else Person(user_id)

    @app.get("/login/<name>")
    def login(name: str) -> str:
        assert login_user(Person(name), force=True)
        session["basket"] = name
        return generate_csrf()

    @app.get("/me")
    def me() -> str:
        return current_user.get_id() if current_user.is_authenticated else "nobody"

    return app


class Browser:
    """A signed-in user: the cookie of the session, and the token against other sites."""

    def __init__(self, site: Site, user: str) -> None:
        reply = site.get(f"/login/{user}")
        self.cookie = ("Cookie", reply.headers["set-cookie"].split(";")[0])
        self.csrf = ("X-CSRFToken", reply.body.decode())
