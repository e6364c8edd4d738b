"""The mounted routes and the discovery document, told once for every framework."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from support import ORIGIN, SCOPES, Reply, Site, Spy, bearer, session

from agentadmit.testing import App


def labelled(user_id: str) -> dict[str, str]:
    """The app's user."""
    return {"user_id": user_id, "user_label": f"{user_id} of the shop"}


def is_admin(user: dict[str, str]) -> bool:
    return user["user_id"] == "root"


def filtered(user: dict[str, str], scopes: list[dict[str, Any]]) -> list[Any]:
    """Bob may not let anybody write; the scopes come back as they came or by name."""
    left = [it for it in scopes if user["user_id"] != "bob" or it["name"] != "write:orders"]
    return left if user["user_id"] == "bob" else [it["name"] for it in left]


GENERATE = "/agentadmit/connections/generate-token"
EXCHANGE = "/agentadmit/token/exchange"
CONSENT = "/agentadmit/consent-sessions"
REQUEST = "ar_01h455vb4pex5vsknk084sn02q"
AUTHORIZE = f"/agentadmit/authorize?request_id={REQUEST}"
BACK = f"%2Fagentadmit%2Fauthorize%3Frequest_id%3D{REQUEST}"
ON = f"https://agents.example/oauth/continue?request_id={REQUEST}&code=x"
NARROWED = {"remove_scopes": ["write:orders"]}
# method, path, body, and what is answered to: nobody, a user, an agent, an admin, and an agent
# whose requests come with an admin's session
EVERY_ROUTE: list[tuple[str, str, Any, tuple[int, int, int, int, int]]] = [
    ("GET", "/.well-known/agentadmit", None, (200, 200, 200, 200, 200)),
    ("GET", "/.well-known/agentadmit/jwks.json", None, (200, 200, 200, 200, 200)),
    ("GET", "/.well-known/oauth-protected-resource", None, (200, 200, 200, 200, 200)),
    ("GET", AUTHORIZE, None, (401, 404, 403, 404, 403)),
    ("GET", "/agentadmit", None, (401, 200, 403, 200, 403)),
    ("GET", "/agentadmit/assets/agentadmit.js", None, (200, 200, 200, 200, 200)),
    ("GET", "/agentadmit/scopes", None, (401, 200, 403, 200, 403)),
    ("POST", GENERATE, {"scopes": ["read:orders"]}, (401, 201, 403, 201, 403)),
    ("GET", "/agentadmit/connections", None, (401, 200, 403, 200, 403)),
    ("DELETE", "/agentadmit/connections/{mine}", None, (401, 200, 403, 404, 403)),
    ("PATCH", "/agentadmit/connections/{mine}", NARROWED, (401, 200, 403, 404, 403)),
    ("GET", "/agentadmit/connections/{mine}/activity", None, (401, 200, 403, 404, 403)),
    ("GET", "/agentadmit/prompt-templates", None, (401, 200, 403, 200, 403)),
    (
        "POST",
        "/agentadmit/consent-sessions",
        {"scopes": ["read:orders"]},
        (401, 201, 403, 201, 403),
    ),
    ("POST", EXCHANGE, {"token": "{token}"}, (200, 200, 200, 200, 200)),
    ("GET", "/agentadmit/admin", None, (401, 403, 403, 200, 403)),
    ("GET", "/agentadmit/admin/connections", None, (401, 403, 403, 200, 403)),
    ("DELETE", "/agentadmit/admin/connections/{mine}", None, (401, 403, 403, 200, 403)),
    ("POST", "/agentadmit/admin/connections/revoke", {"user_id": "bob"}, (401, 403, 403, 200, 403)),
    ("GET", "/agentadmit/admin/usage", None, (401, 403, 403, 200, 403)),
    ("GET", "/agentadmit/admin/activity", None, (401, 403, 403, 200, 403)),
    ("GET", "/agentadmit/nothing", None, (404, 404, 404, 404, 404)),
]


# as in `crates/sdk/tests/web/consent.rs`
DURATIONS = [
    {"label": "One afternoon", "seconds": 14_400},
    {"label": "Half a day", "seconds": 14_400},
    {"label": "Until I say stop"},
]


def offers_durations(site: Site, spy: Spy, page: list[tuple[str, str]]) -> None:
    """An app with `DURATIONS` offers them on the consent page, each length once, and only where a
    connection begins: `page` is what a signed-in user's page sends.
    """

    def sent(body: dict[str, Any]) -> Any:
        spy.take()
        opened = site.ask("POST", CONSENT, page, json_body=body)
        assert opened.status == 201, opened.body
        [seen] = [seen for seen in spy.take() if seen.path.endswith("/consent-sessions")]
        return seen.body.get("durations")

    afternoon, until_stop = {"label": "One afternoon", "seconds": 14_400}, "Until I say stop"
    assert sent({}) == [afternoon, {"label": until_stop, "seconds": None}]
    issued = site.ask(
        "POST", GENERATE, page, json_body={"scopes": ["read:orders"], "duration_seconds": 14_400}
    )
    assert issued.status == 201, issued.body
    more = {"connection_id": issued.json["connection_id"], "add_scopes": ["read:profile"]}
    assert sent(more) is None


class MountedStory:
    """Its tests want a fixture `site`: an app whose users are `labelled`, with `is_admin` and
    `filtered`.
    """

    def session(self, user: str) -> tuple[str, str]:
        """The header of a signed-in user."""
        return session(user)

    def page(self, user: str) -> list[tuple[str, str]]:
        """What a page of the app sends for a signed-in user."""
        return [self.session(user), ("Origin", ORIGIN)]

    def get(self, site: Site, path: str, user: str) -> Reply:
        """What a signed-in user is shown."""
        return site.ask("GET", path, [self.session(user)])

    def test_the_whole_story(self, site: Site, spy: Spy) -> None:
        alice = self.page("alice")
        names = [it["name"] for it in self.get(site, "/agentadmit/scopes", "alice").json["scopes"]]
        assert names == ["read:orders", "write:orders", "read:profile"]
        asked = {"scopes": ["read:orders"], "duration_seconds": 3600, "agent_label": "Claude"}
        issued = site.ask("POST", "/agentadmit/connections/generate-token", alice, json_body=asked)
        assert issued.status == 201
        assert issued.headers["cache-control"] == "no-store"
        assert f"{ORIGIN}/agentadmit/token/exchange" in issued.json["prompt"]
        token = {"token": issued.json["token"]}
        exchanged = site.ask("POST", "/agentadmit/token/exchange", json_body=token)
        assert exchanged.status == 200
        assert exchanged.json["user_label"] == "alice of the shop"
        connection = self.get(site, "/agentadmit/connections", "alice").json["connections"][0]
        path = f"/agentadmit/connections/{connection['connection_id']}"
        assert site.ask("DELETE", path, self.page("mallory")).status == 404
        activity = self.get(site, f"{path}/activity", "alice")
        assert {it["event"] for it in activity.json["events"]} >= {"connection_exchanged"}
        assert site.ask("PATCH", path, alice, json_body={"remove_scopes": []}).status in (200, 422)
        ended = site.ask("DELETE", path, alice)
        assert (ended.status, ended.json["status"]) == (200, "revoked")
        revokes = [seen.body for seen in spy.take() if seen.path == "/v1/revoke"]
        assert [it["on_behalf_of"] for it in revokes] == ["user:alice"]
        assert self.get(site, "/agentadmit/prompt-templates", "alice").status == 200

    def test_the_connections_page(self, site: Site) -> None:
        page = self.get(site, "/agentadmit", "alice")
        assert (page.status, page.headers.get_content_type()) == (200, "text/html")
        assets = set(re.findall(rb"/agentadmit(/assets/[^\"]+)", page.body))
        assert assets
        for asset in assets:
            assert site.get(f"/agentadmit{asset.decode()}").status == 200
        assert self.get(site, "/agentadmit/admin", "root").status == 200
        assert self.get(site, "/agentadmit/admin", "alice").status == 403

    def test_who_sits_in_front_of_a_request_of_oauth(self, site: Site, spy: Spy) -> None:
        wanted = ["read:orders", "write:orders", "close:shop"]
        client = {"client_id": "https://client.example/me", "name": "Helper", "host": None}
        asked = {
            "client": client,
            "scopes": wanted,
            "resource": ORIGIN,
            "expires_at": "2026-01-01T00:10:00.000Z",
        }
        bound = {"continue_url": ON, "expires_at": "2026-01-01T00:10:00.000Z"}
        for user, may in (("alice", wanted[:2]), ("bob", wanted[:1]), ("root", wanted)):
            spy.take()
            spy.in_turn = [(200, asked), (200, bound)]
            reply = self.get(site, AUTHORIZE, user)
            assert (reply.status, reply.headers["location"]) == (303, ON)
            assert reply.headers["cache-control"] == "no-store"
            first, second = spy.take()
            assert (first.method, second.method) == ("GET", "POST")
            assert first.path == second.path
            assert first.path.endswith(f"/authorization-requests/{REQUEST}")
            assert second.body["user_id"] == user
            assert second.body["scopes"] == may
            assert second.body["on_behalf_of"] == f"user:{user}"
        spy.in_turn = [(404, {"error": "not_found", "error_description": "no", "request_id": "r"})]
        over = self.get(site, AUTHORIZE, "alice")
        assert (over.status, over.headers.get_content_type()) == (404, "text/html")
        spy.take()
        ahead = [self.session("alice"), ("Sec-Purpose", "prefetch")]
        assert site.ask("GET", AUTHORIZE, ahead).status == 503
        arabic = site.ask("GET", AUTHORIZE, [("Accept-Language", "ar")])
        assert (arabic.status, arabic.headers.get_content_type()) == (401, "text/html")
        assert b'lang="ar"' in arabic.body
        assert spy.take() == []

    def test_what_may_be_granted(self, site: Site) -> None:
        def generate(user: str, scopes: list[str], **more: Any) -> tuple[int, str | None]:
            body = {"scopes": scopes, **more}
            path = "/agentadmit/connections/generate-token"
            reply = site.ask("POST", path, self.page(user), json_body=body)
            return reply.status, reply.error

        assert generate("alice", ["write:orders"]) == (201, None)
        assert generate("bob", ["write:orders"]) == (400, "invalid_scope")
        assert generate("alice", ["close:shop"]) == (400, "invalid_scope")
        assert generate("root", ["close:shop"]) == (201, None)
        assert generate("alice", ["read:orders"], duration_seconds=61) == (400, "invalid_duration")
        assert generate("alice", ["read:orders"], more=1) == (422, "invalid_request")

    def test_admins(self, site: Site, shop: App) -> None:
        assert self.get(site, "/agentadmit/admin/connections", "alice").error == "forbidden"
        assert self.get(site, "/agentadmit/admin/connections", "root").status == 200
        headers = [bearer(shop.user("root").agent("manage:connections").token)]
        assert site.ask("GET", "/agentadmit/admin/connections", headers).status == 200
        # its user is no admin (any more)
        headers = [bearer(shop.user("alice").agent("manage:connections").token)]
        assert site.ask("GET", "/agentadmit/admin/connections", headers).error == "forbidden"
        ended = {"user_id": "alice", "reason": "locked"}
        path = "/agentadmit/admin/connections/revoke"
        assert site.ask("POST", path, self.page("root"), json_body=ended).json["count"] == 1

    def test_other_sites_and_bodies(self, site: Site) -> None:
        path = "/agentadmit/connections/generate-token"
        body = {"scopes": ["read:orders"]}
        evil = [self.session("alice"), ("Origin", "https://evil.example")]
        assert site.ask("POST", path, evil, json_body=body).error == "cross_site_request"
        assert (
            site.ask("POST", path, [self.session("alice")], json_body=body).error
            == "cross_site_request"
        )
        long = b'{"scopes": ["' + b"x" * 70_000 + b'"]}'
        typed = [*self.page("alice"), ("Content-Type", "application/json")]
        reply = site.ask("POST", path, typed, long)
        assert (reply.status, reply.error) == (413, "body_too_large")
        exchange = [("Content-Type", "application/json")]
        reply = site.ask("POST", "/agentadmit/token/exchange", exchange, b"{" + b" " * 5000 + b"}")
        assert reply.status == 413
        assert site.ask("GET", "/agentadmit/token/exchange").status == 405

    def test_ten_failed_exchanges_are_enough(self, site: Site, spy: Spy) -> None:
        for _ in range(10):
            body = {"token": "ag_ct_nonsense"}
            assert site.ask("POST", "/agentadmit/token/exchange", json_body=body).status == 400
        spy.take()
        reply = site.ask(
            "POST", "/agentadmit/token/exchange", json_body={"token": "ag_ct_nonsense"}
        )
        assert (reply.status, reply.json["limit"]) == (429, "address")
        assert spy.take() == []

    def test_the_discovery_document(self, site: Site) -> None:
        document = site.get("/.well-known/agentadmit").json
        assert document["token_exchange_endpoint"] == f"{ORIGIN}/agentadmit/token/exchange"
        assert [it["name"] for it in document["scopes"]] == [
            it["name"] for it in SCOPES if not it.get("admin")
        ]
        assert site.get("/.well-known/agentadmit/jwks.json").json == {"keys": []}

    @pytest.mark.parametrize(("method", "path", "body", "expected"), EVERY_ROUTE)
    def test_every_route_by_everybody(
        self, site: Site, shop: App, method: str, path: str, body: Any, expected: tuple[int, ...]
    ) -> None:
        alice = shop.user("alice")
        agent = bearer(alice.agent("read:orders").token)
        callers = (
            [("Origin", ORIGIN)],
            self.page("alice"),
            [agent],
            self.page("root"),
            [agent, *self.page("root")],
        )
        seen: list[int] = []
        for headers in callers:
            grant = alice.grant("read:orders", "write:orders")
            told = {"mine": grant.connection_id, "token": grant.token}
            sent = None if body is None else json.loads(_filled(json.dumps(body), told))
            seen.append(site.ask(method, _filled(path, told), headers, json_body=sent).status)
        assert tuple(seen) == expected


def _filled(text: str, told: dict[str, str]) -> str:
    for name, value in told.items():
        text = text.replace(f"{{{name}}}", value)
    return text
