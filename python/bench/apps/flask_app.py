"""The Flask app that is measured: one route, with guards where `BENCH_GUARDED` is set."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, abort, g, request

app = Flask(__name__)


def get_current_user() -> dict[str, str]:
    """The app's own users."""
    name = request.headers.get("X-User")
    if name is None:
        abort(401)
    return {"user_id": name}


if os.environ.get("BENCH_GUARDED"):
    from agentadmit.integrations.flask_integration import AgentAdmitFlask

    aa = AgentAdmitFlask(app, get_current_user=get_current_user)

    @app.get("/orders")
    @aa.require_scope_if_agent("read:orders")
    @aa.get_current_user_or_agent
    def orders() -> Any:
        """The route, guarded."""
        return {"orders_of": g.agentadmit.user["user_id"]}
else:

    @app.get("/orders")
    def orders() -> Any:
        """The route as it was before."""
        return {"orders_of": get_current_user()["user_id"]}
