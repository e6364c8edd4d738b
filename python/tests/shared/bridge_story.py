"""What an MCP client does in an example shop, with `agentadmit mcp-bridge` between them."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mcp
import pytest
from mcp.client.stdio import stdio_client
from shop_story import ORDERS
from support import LIMIT, Site

Headers = list[tuple[str, str]]
GENERATE = "/agentadmit/connections/generate-token"


def move(file: Path, port: int) -> str:
    """Where the shop is from now on, as its settings say: an app that names another address than
    the human did gets no token.
    """
    here = f"http://127.0.0.1:{port}"
    said = file.read_text()
    assert "http://127.0.0.1:8000" in said
    file.write_text(said.replace("http://127.0.0.1:8000", here))
    return here


def play_connect(site: Site, page: Headers, folder: Path) -> None:
    """Alice pastes the whole message into a terminal, which shows none of it."""
    issued = site.ask("POST", GENERATE, page, json_body={"scopes": ["read:orders"]}).json
    terminal, own = pty.openpty()
    command = [sys.executable, "-m", "agentadmit", "connect", f"http://{site.host}:{site.port}"]
    environ = {**os.environ, "XDG_CONFIG_HOME": str(folder / "typed")}
    process = subprocess.Popen(command, stdin=own, stdout=own, stderr=own, env=environ)
    said = b""
    while b"it is not shown:" not in said:
        said += os.read(terminal, 1024)
    os.write(terminal, f"{issued['prompt']}\n".encode())
    assert process.wait(LIMIT) == 0, said
    said += os.read(terminal, 64 * 1024)
    assert b"Connected to Shop" in said
    assert issued["token"].encode() not in said
    assert b"Address:" not in said
    # what is typed next is shown again, and the rest of the message is nobody's
    assert termios.tcgetattr(own)[3] & termios.ECHO
    os.set_blocking(own, False)
    with pytest.raises(BlockingIOError):
        os.read(own, 1)
    os.close(own)
    os.close(terminal)


def play_bridge(site: Site, page: Headers, folder: Path) -> None:
    """The official Python client lists and calls the shop's routes, with a handshake and with the
    newest protocol, which has none. `page`: what alice's pages send.
    """
    for is_newest in (False, True) if version("mcp").startswith("2.") else (False,):
        issued = site.ask("POST", GENERATE, page, json_body={"scopes": ["read:orders"]}).json
        connection = f"/agentadmit/connections/{issued['connection_id']}"

        def revoke(connection: str = connection) -> None:
            assert site.ask("DELETE", connection, page).status == 200

        conversation = _converse(site, issued["token"], folder, is_newest, revoke)
        asyncio.run(asyncio.wait_for(conversation, LIMIT))


async def _converse(
    site: Site, token: str, folder: Path, is_newest: bool, revoke: Callable[[], None]
) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environ = {
        **kept,
        "XDG_CONFIG_HOME": str(folder / "bridge"),
        "AGENTADMIT_CONNECTION_TOKEN": token,
    }
    arguments = ["-m", "agentadmit", "mcp-bridge", f"http://{site.host}:{site.port}"]
    server = mcp.StdioServerParameters(command=sys.executable, args=arguments, env=environ)
    async with AsyncExitStack() as stack:
        client: Any
        if is_newest:
            newest: Any = importlib.import_module("mcp.client")
            client = await stack.enter_async_context(newest.Client(stdio_client(server)))
        else:
            streams = await stack.enter_async_context(stdio_client(server))
            client = await stack.enter_async_context(mcp.ClientSession(*streams[:2]))
            await client.initialize()
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert list(tools) == ["get_api_orders", "post_api_orders_order_id_cancel", "get_api_me"]
        cancel = tools["post_api_orders_order_id_cancel"].description or ""
        assert cancel.startswith("Cancels one of your orders. Needs read:orders write:orders")
        assert "not granted" in cancel

        called = await client.call_tool("get_api_orders", {})
        assert json.loads(_text(called)) == ORDERS
        me = json.loads(_text(await client.call_tool("get_api_me", {})))
        assert me["asked_by"] == "agent"
        refused = await client.call_tool("post_api_orders_order_id_cancel", {"order_id": "1"})
        assert "has not granted write:orders" in _text(refused), refused

        revoke()
        ended = await client.call_tool("get_api_orders", {})
        assert "Do not try again" in _text(ended), ended


def _text(result: Any) -> str:
    return "".join(block.text for block in result.content if block.type == "text")
