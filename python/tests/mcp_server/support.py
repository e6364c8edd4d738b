"""The notes of `examples/mcp-notes` on both transports, and both official clients."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mcp
import pytest
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from agentadmit.testing import App

IS_FIRST = version("mcp").startswith("1.")
OF_FIRST = {
    "from mcp.server import MCPServer": "from mcp.server.fastmcp import FastMCP as MCPServer",
    "from mcp.server.mcpserver import Context": "from mcp.server.fastmcp import Context",
}

ROOT = Path(__file__).parents[3]
NOTES = ROOT / "examples" / "mcp-notes"
WEB = ROOT / "web"
SCOPES = ["notes:read", "notes:write", "notes:delete"]
LIMIT = 60.0  # seconds, generous: a test that waits longer has hung


def verify_key(app: App) -> str:
    """A key that may verify, and nothing else."""
    path = f"/v1/operator/apps/{app.app_id}/api-keys"
    made = app.service.operate("POST", path, {"environment": "test", "permissions": ["verify"]})
    return made["api_key"]


@dataclass
class Place:
    """Where a server of this test runs, and what it wrote to stderr."""

    app: App
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    script: Path = Path()

    def with_script(self, source: str) -> Place:
        """The same place, with a server of its own. Where `mcp` 1 is tested its names stand in."""
        for second, first in OF_FIRST.items() if IS_FIRST else ():
            source = source.replace(second, first)
        self.script = self.folder / "server.py"
        self.script.write_text(source, encoding="utf-8")
        return self

    @property
    def errors(self) -> Path:
        return self.folder / "stderr"

    def variables(self) -> dict[str, str]:
        """The environment of the server: nothing of the test's own settings."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        own = {"HOME": str(self.folder), "XDG_STATE_HOME": str(self.folder / "state")}
        own["COLUMNS"] = "1000"  # some servers break the lines of their log
        app = {**self.app.environ, "AGENTADMIT_API_KEY": verify_key(self.app)}
        return {**kept, **own, **app, **self.environ}


class Client:
    """A conversation with a server."""

    async def ask(self, tool: str | None, arguments: dict[str, Any]) -> dict[str, Any]:
        """The result of a call, or of the list of tools, as it is on the wire."""
        raise NotImplementedError

    async def tools(self) -> dict[str, Any]:
        """The tools that are listed, by name."""
        return {tool["name"]: tool for tool in (await self.ask(None, {}))["tools"]}

    async def call(self, tool: str, **arguments: Any) -> str:
        """What a tool says."""
        result = await self.ask(tool, arguments)
        assert not result.get("isError"), result
        return result["content"][0]["text"]

    async def refusal(self, tool: str, **arguments: Any) -> str:
        """What is said in the place of a tool."""
        result = await self.ask(tool, arguments)
        assert result.get("isError") is True, result
        return result["content"][0]["text"]


class PythonClient(Client):
    def __init__(self, session: Any) -> None:
        self.session = session

    async def ask(self, tool: str | None, arguments: dict[str, Any]) -> dict[str, Any]:
        if tool is None:
            result = await self.session.list_tools()
        else:
            result = await self.session.call_tool(tool, arguments)
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)


@contextlib.asynccontextmanager
async def of_streams(transport: Any, is_newest: bool = False) -> AsyncIterator[PythonClient]:
    """A client of the official Python SDK, with a handshake or with the newest protocol, which has
    none."""
    if is_newest:
        newest: Any = importlib.import_module("mcp.client")
        async with newest.Client(transport) as client:
            yield PythonClient(client)
        return
    async with transport as streams, mcp.ClientSession(*streams[:2]) as session:
        await asyncio.wait_for(session.initialize(), LIMIT)
        yield PythonClient(session)


@contextlib.asynccontextmanager
async def python_stdio(place: Place, is_newest: bool = False) -> AsyncIterator[PythonClient]:
    """Starts the server, and talks to it over its pipes."""
    parameters = mcp.StdioServerParameters(
        command=sys.executable, args=[str(place.script)], env=place.variables(), cwd=place.folder
    )
    with place.errors.open("a") as errors:
        async with of_streams(stdio_client(parameters, errors), is_newest) as client:
            yield client


@contextlib.asynccontextmanager
async def python_http(
    url: str, token: str | None, is_newest: bool = False
) -> AsyncIterator[PythonClient]:
    """Talks to a server at an address."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with (
        http_client(headers) as http,
        of_streams(streamable_http_client(url, http_client=http), is_newest) as client,
    ):
        yield client


def http_client(headers: dict[str, str]) -> Any:
    """The HTTP client that this version of `mcp` wants."""
    from mcp.client import streamable_http

    library: Any = getattr(streamable_http, "httpx2", None) or streamable_http.httpx  # type: ignore[attr-defined]
    return library.AsyncClient(headers=headers, timeout=LIMIT)


class TypeScriptClient(Client):
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def ask(self, tool: str | None, arguments: dict[str, Any]) -> dict[str, Any]:
        request = {"tool": tool, "arguments": arguments} if tool else {}
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        line = await asyncio.wait_for(self.process.stdout.readline(), LIMIT)
        return json.loads(line)


@contextlib.asynccontextmanager
async def typescript(
    arguments: list[str], environ: dict[str, str], errors: Path
) -> AsyncIterator[TypeScriptClient]:
    """A client of the official TypeScript SDK, which `npm ci` in `web` brings."""
    node = WEB / "node_modules" / ".bin" / "node"
    if not (WEB / "node_modules" / "@modelcontextprotocol").exists():
        pytest.skip("there is no npm: `npm ci` in web was not run")
    with errors.open("a") as said:
        process = await asyncio.create_subprocess_exec(
            *(str(node), str(WEB / "tests" / "mcp" / "client.ts"), *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env=environ,
        )
        try:
            yield TypeScriptClient(process)
        finally:
            assert process.stdin
            process.stdin.close()
            await asyncio.wait_for(process.wait(), LIMIT)


@contextlib.contextmanager
def http_server(place: Place) -> Iterator[str]:
    """The server on a free port: the address of its MCP endpoint."""
    process = subprocess.Popen(
        [sys.executable, str(place.script), "--http", "0"],
        cwd=place.folder,
        env=place.variables(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    address: list[str] = []
    is_up = threading.Event()

    def read() -> None:
        assert process.stderr
        with place.errors.open("a") as errors, process.stderr as said:
            for line in said:
                errors.write(line)
                found = re.search(r"running on (http://\S+)", line)
                if found:
                    address.append(found[1])
                    is_up.set()
        is_up.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert is_up.wait(LIMIT), "the server did not start"
        assert address, place.errors.read_text()
        yield f"{address[0]}/mcp"
    finally:
        process.terminate()
        process.wait(LIMIT)
        reader.join(LIMIT)
