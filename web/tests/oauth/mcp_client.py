"""The MCP client of the official Python SDK, driven by `sdk/program.ts` over its pipes.

The first line of stdin says what to connect to; each line after it is a request, answered by one
line on stdout. `{"open": address}` asks that a person opens an address, and waits for where their
browser came back to.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable
from importlib.metadata import version
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlparse

from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthMetadata,
    OAuthToken,
    ProtectedResourceMetadata,
)

T = TypeVar("T")

LIMIT = 60.0  # seconds, generous: what takes longer has hung


def say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


async def heard() -> dict[str, Any] | None:
    line = await asyncio.to_thread(sys.stdin.readline)
    return json.loads(line) if line else None


class Book:
    """What a host writes down for one server: the SDK's `TokenStorage`, and what that does not hold
    although a refresh after a new start needs it: until when the token is good, and where tokens
    come from."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None
        self.expires_at: float | None = None
        self.resource: ProtectedResourceMetadata | None = None
        self.issuer: OAuthMetadata | None = None

    def copied(self, *, is_bare: bool = False) -> Book:
        """As another process reads it; a bare one has what the SDK itself keeps."""
        other = Book()
        other.__dict__.update(self.__dict__)
        if is_bare:
            other.expires_at = other.resource = other.issuer = None
        return other

    def open_for(self, auth: OAuthClientProvider) -> None:
        """Lets a provider begin where the last one ended."""
        auth.context.token_expiry_time = self.expires_at
        auth.context.protected_resource_metadata = self.resource
        auth.context.oauth_metadata = self.issuer

    def close_with(self, auth: OAuthClientProvider) -> None:
        self.resource = auth.context.protected_resource_metadata
        self.issuer = auth.context.oauth_metadata

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens
        self.expires_at = time.time() + tokens.expires_in if tokens.expires_in else None

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Host:
    """A program that has one MCP server in its configuration."""

    def __init__(self, told: dict[str, Any], book: Book) -> None:
        self.told = told
        self.book = book
        self.came: dict[str, list[str]] = {}
        self.client: Client
        self.session: asyncio.Task[None] | None = None
        self.ending = asyncio.Event()

    async def open(self, address: str) -> None:
        say({"open": address})
        answer = await heard()
        came = answer and answer["came"]
        if not came:
            raise RuntimeError("the person closed the window")
        self.came = parse_qs(urlparse(came).query)

    async def came_back(self) -> AuthorizationCodeResult:
        state, issuer = self.came.get("state", [None])[0], self.came.get("iss", [None])[0]
        return AuthorizationCodeResult(code=self.came["code"][0], state=state, iss=issuer)

    async def start(self) -> str:
        self.ending = asyncio.Event()
        begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.session = asyncio.create_task(self.live(begun))
        return await self.unless_it_ends(begun)

    async def live(self, begun: asyncio.Future[str]) -> None:
        """A session, from its beginning to its end in one task, as the SDK wants it."""
        metadata = OAuthClientMetadata(
            client_name=self.told["name"],
            redirect_uris=[self.told["redirect"]],
            token_endpoint_auth_method="none",  # noqa: S106 - the name of a method
        )
        server = self.told["server"]
        auth = OAuthClientProvider(server, metadata, self.book, self.open, self.came_back)
        self.book.open_for(auth)
        # `legacy` is the handshake, which ended with 2025-11-25
        mode = "auto" if self.told["revision"] >= "2026" else "legacy"
        async with create_mcp_http_client(auth=auth) as http:
            transport = streamable_http_client(server, http_client=http)
            async with Client(transport, mode=mode, read_timeout_seconds=LIMIT) as self.client:
                begun.set_result(self.client.protocol_version)
                self.book.close_with(auth)
                await self.ending.wait()

    async def unless_it_ends(self, wanted: Awaitable[T]) -> T:
        """What a person refuses ends the session, and says why there."""
        assert self.session
        asked = asyncio.ensure_future(wanted)
        await asyncio.wait({asked, self.session}, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            return asked.result()
        asked.cancel()
        await self.session
        raise RuntimeError("the session has ended")

    async def tools(self) -> list[str]:
        listed = await self.unless_it_ends(self.client.list_tools())
        return [tool.name for tool in listed.tools]

    async def call(self, tool: str, arguments: dict[str, Any]) -> str:
        result = await self.unless_it_ends(self.client.call_tool(tool, arguments))
        text = "\n".join(getattr(part, "text", "") for part in result.content)
        if result.is_error:
            raise RuntimeError(text)
        return text

    async def stop(self) -> None:
        self.ending.set()
        if self.session:
            await self.session


class OneOfMany(Host):
    """A host with nobody in front of it."""

    async def open(self, address: str) -> None:
        raise RuntimeError(f"nobody can be asked: {address}")


async def bare(host: Host) -> list[str]:
    """One that starts from what the SDK itself keeps."""
    one = OneOfMany(host.told, host.book.copied(is_bare=True))
    await one.start()
    said = await one.call("list_notes", {})
    await one.stop()
    return [said]


async def crowd(host: Host, count: int) -> list[str]:
    """As many hosts that start at once from what is kept."""
    hosts = [OneOfMany(host.told, host.book.copied()) for _ in range(count)]

    async def all_say() -> list[str]:
        return await asyncio.gather(*(one.call("list_notes", {}) for one in hosts))

    await asyncio.gather(*(one.start() for one in hosts))
    said = await all_say() + await all_say()
    await asyncio.gather(*(one.stop() for one in hosts))
    for one in hosts:
        host.book.__dict__.update(one.book.__dict__)
    return said


async def answered(host: Host, message: dict[str, Any]) -> Any:
    match message["do"]:
        case "start":
            return await host.start()
        case "tools":
            return await host.tools()
        case "call":
            return await host.call(message["tool"], message["arguments"])
        case "crowd":
            return await crowd(host, message["count"])
        case "bare":
            return await bare(host)
        case "kept":
            tokens = host.book.tokens
            assert tokens
            names = {"access": tokens.access_token, "refresh": tokens.refresh_token}
            return {**names, "scope": tokens.scope}
        case "now":
            return time.time()
        case "stop":
            return await host.stop()
    raise ValueError(message["do"])


def reason(error: BaseException) -> str:
    """What an error says, and all that is in it."""
    if isinstance(error, BaseExceptionGroup):  # noqa: F821 - of Python 3.11, the step takes the newest
        return "; ".join(reason(one) for one in error.exceptions)
    return f"{type(error).__name__}: {error}"


async def main() -> None:
    told = await heard()
    assert told
    host = Host(told, Book())
    while message := await heard():
        try:
            say({"done": await answered(host, message)})
        except Exception as error:
            say({"failed": reason(error)})


if sys.argv[1:] == ["--version"]:
    print(version("mcp"))
else:
    asyncio.run(main())
