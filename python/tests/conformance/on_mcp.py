"""What the suite prescribes, on the official package `mcp`."""

from typing import Any

import mcp.types as types
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, RequestStateSecurity
from mcp.server.mcpserver.prompts.base import Prompt
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from prescribed import (
    PROMPTS,
    RESOURCES,
    SCHEMA,
    TOOLS,
    complete,
    json_schema_2020_12_tool,
    with_context,
)


class Events(EventStore):
    """The events of all streams, so that a client that comes back gets what it missed."""

    def __init__(self) -> None:
        self.events: list[tuple[str, types.JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: types.JSONRPCMessage | None) -> str:
        self.events.append((stream_id, message))
        return str(len(self.events) - 1)

    async def replay_events_after(self, last_event_id: str, send: EventCallback) -> str | None:
        last = int(last_event_id)
        if last >= len(self.events):
            return None
        stream, _ = self.events[last]
        for number, (of, message) in enumerate(self.events):
            if of == stream and number > last and message is not None:
                await send(EventMessage(message, str(number)))
        return stream


async def test_trigger_tool_change(ctx: Context) -> Any:
    """Changes the list of tools."""
    server.add_tool(json_schema_2020_12_tool, name="test_dynamic_tool")
    server.remove_tool("test_dynamic_tool")
    await ctx.notify_tools_changed()
    return "changed"


async def test_trigger_prompt_change(ctx: Context) -> Any:
    """Changes the list of prompts."""
    server.add_prompt(Prompt.from_function(json_schema_2020_12_tool, name="test_dynamic_prompt"))
    server.remove_prompt("test_dynamic_prompt")
    await ctx.notify_prompts_changed()
    return "changed"


async def nothing(*_: Any) -> types.EmptyResult:
    return types.EmptyResult()


server = MCPServer(
    "conformance", version="1", request_state_security=RequestStateSecurity(keys=[b"k" * 32])
)
for tool in (test_trigger_tool_change, test_trigger_prompt_change, json_schema_2020_12_tool):
    TOOLS[tool.__name__] = tool
for name, function in with_context(TOOLS, Context):
    server.add_tool(function, name=name, structured_output=False)
# the package takes no schema that is not made from a function
server._tool_manager._tools["json_schema_2020_12_tool"].parameters = SCHEMA
for name, function in with_context(PROMPTS, Context):
    server.add_prompt(Prompt.from_function(function, name=name))
for uri, (mime_type, function) in RESOURCES.items():
    server.resource(uri, mime_type=mime_type)(function)
server.completion()(complete)
# the package has no other way to answer these
for method, parameters in (
    ("logging/setLevel", types.SetLevelRequestParams),
    ("resources/subscribe", types.SubscribeRequestParams),
    ("resources/unsubscribe", types.UnsubscribeRequestParams),
):
    server._lowlevel_server.add_request_handler(method, parameters, nothing)

tools = list(TOOLS)
app = server.streamable_http_app(event_store=Events(), retry_interval=100)
