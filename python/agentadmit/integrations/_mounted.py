"""Where the mounted routes are, and what is said of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

WELL_KNOWN = "/.well-known/agentadmit"
METADATA = "/.well-known/oauth-protected-resource"
DOCUMENTS = (WELL_KNOWN, f"{WELL_KNOWN}/jwks.json", METADATA)
"""Those that every app has. `Gate.documents` knows of one more, where the resource has a path."""

AUTHORIZE = "/authorize"
"""Where whoever is not signed in is sent to sign in, and no error."""

OF_USERS = (
    ("GET", "", "The page on which the signed-in user lets agents in and sees them"),
    ("GET", "/assets/{name}", "Its script and its sheet"),
    ("GET", "/scopes", "What the signed-in user may grant"),
    ("POST", "/connections/generate-token", "A connection token for an agent of the user"),
    ("GET", "/connections", "The user's own connections"),
    ("DELETE", "/connections/{connection_id}", "Ends one of them"),
    ("PATCH", "/connections/{connection_id}", "Narrows one of them"),
    ("GET", "/connections/{connection_id}/activity", "What its agent did"),
    ("GET", "/prompt-templates", "Texts to start an agent with"),
    ("GET", AUTHORIZE, "Where an OAuth client's user says who they are"),
    ("POST", "/consent-sessions", "Opens the hosted consent page for the user"),
)
OF_AGENTS = (("POST", "/token/exchange", "A connection token against an access token"),)
OF_ADMINS = (
    ("GET", "/admin", "The page with all connections of the app"),
    ("GET", "/admin/connections", "All connections of the app"),
    ("DELETE", "/admin/connections/{connection_id}", "Ends any of them"),
    ("POST", "/admin/connections/revoke", "Ends one, or all of a user's"),
    ("GET", "/admin/usage", "What was used"),
    ("GET", "/admin/activity", "What all agents did"),
)
_OF_ANYONE = ("What agents may know of this app", "The app's public keys")
_OF_CLIENTS = "What OAuth clients may know of this app"


def of_anyone(documents: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Method, path, and summary of every document."""
    for number, path in enumerate(documents):
        yield "GET", path, _OF_ANYONE[number] if number < len(_OF_ANYONE) else _OF_CLIENTS


def beginning_of(document: str) -> str:
    """What an app's own route for a document begins with."""
    return METADATA if document.startswith(METADATA) else WELL_KNOWN


def below_prefix(has_admins: bool) -> tuple[tuple[str, str, str], ...]:
    """Method, path below the prefix, and summary of every route there."""
    return (*OF_USERS, *OF_AGENTS, *(OF_ADMINS if has_admins else ()))
