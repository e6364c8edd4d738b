"""What the suite prescribes, on the package `fastmcp`."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from fastmcp import Context, FastMCP
from fastmcp.prompts import Message, Prompt
from fastmcp.server.event_store import EventStore
from fastmcp.tools import Tool
from fastmcp.tools.function_tool import FunctionTool
from prescribed import (
    PROMPTS,
    RESOURCES,
    SCHEMA,
    TOOLS,
    complete,
    json_schema_2020_12_tool,
    with_context,
)


def in_messages(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same prompt, whose contents are messages."""

    @functools.wraps(function)
    def prompt(**arguments: str) -> Any:
        return [Message(content) for content in function(**arguments)]

    return function if inspect.iscoroutinefunction(function) else prompt


server = FastMCP("conformance", version="1", dereference_schemas=False)
for name, function in with_context(TOOLS, Context):
    server.add_tool(Tool.from_function(function, name=name, output_schema=None))
server.add_tool(
    FunctionTool(
        fn=json_schema_2020_12_tool,
        name="json_schema_2020_12_tool",
        description=json_schema_2020_12_tool.__doc__,
        parameters=SCHEMA,
    )
)
for name, function in with_context(PROMPTS, Context):
    server.add_prompt(Prompt.from_function(in_messages(function), name=name))
for uri, (mime_type, function) in RESOURCES.items():
    server.resource(uri, mime_type=mime_type)(function)
server.completion(complete)

tools = [*TOOLS, "json_schema_2020_12_tool"]
app = server.http_app(event_store=EventStore(), retry_interval=100, host_origin_protection=True)
