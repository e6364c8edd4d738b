"""Everything that the scenarios of MCP's conformance suite for servers ask for: names and texts are
those that the suite prescribes. Both packages have the same types, and contexts that are alike."""

import base64
import json
from collections.abc import Callable
from typing import Annotated, Any

import inputs
import mcp.types as types
from mcp.shared.exceptions import MCPError
from pydantic import Field

# one pixel, and no sound at all
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8"
    "z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="

# JSON Schema 2020-12 with every keyword that must survive
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def image() -> types.ImageContent:
    return types.ImageContent(type="image", data=PNG, mime_type="image/png")


def embedded(uri: str, mime_type: str, text: str) -> types.EmbeddedResource:
    inside = types.TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return types.EmbeddedResource(type="resource", resource=inside)


def said(text: str) -> types.TextContent:
    return types.TextContent(type="text", text=text)


def test_simple_text() -> Any:
    """Answers a text."""
    return "This is a simple text response for testing."


def test_image_content() -> Any:
    """Answers a picture."""
    return [image()]


def test_audio_content() -> Any:
    """Answers a sound."""
    return [types.AudioContent(type="audio", data=WAV, mime_type="audio/wav")]


def test_embedded_resource() -> Any:
    """Answers a resource."""
    text = "This is an embedded resource content."
    return [embedded("test://embedded-resource", "text/plain", text)]


def test_multiple_content_types() -> Any:
    """Answers a text, a picture and a resource."""
    data = '{"test":"data","value":123}'
    mixed = embedded("test://mixed-content-resource", "application/json", data)
    return [said("Multiple content types test:"), image(), mixed]


async def test_tool_with_logging(ctx: Any) -> Any:
    """Says three times how far it is."""
    for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(text)
    return "said"


async def test_logging_tool(ctx: Any) -> Any:
    """Says something to whoever asked for its log."""
    await ctx.info("heard by whoever asked for it")
    return "said"


async def test_tool_with_progress(ctx: Any) -> Any:
    """Tells its progress."""
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100, f"Completed step {done} of 100")
    return "done"


def test_error_handling() -> Any:
    """Fails."""
    raise RuntimeError("This tool intentionally returns an error for testing")


async def test_sampling(prompt: str, ctx: Any) -> Any:
    """Asks the client's model."""
    message = types.SamplingMessage(role="user", content=said(prompt))
    result = await ctx.session.create_message(
        messages=[message], max_tokens=100, related_request_id=ctx.request_id
    )
    return f"LLM response: {result.content.text}"


async def elicited(ctx: Any, message: str, properties: dict[str, Any]) -> str:
    result = await ctx.session.elicit(
        message=message,
        requested_schema={"type": "object", "properties": properties, "required": []},
        related_request_id=ctx.request_id,
    )
    return f"action={result.action}, content={json.dumps(result.content)}"


async def test_elicitation(message: str, ctx: Any) -> Any:
    """Asks the client's person."""
    response = {"type": "string", "description": "User's response"}
    return f"User response: {await elicited(ctx, message, {'response': response})}"


async def test_elicitation_sep1034_defaults(ctx: Any) -> Any:
    """Asks with defaults of every kind."""
    status = {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"}
    properties = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": status,
        "verified": {"type": "boolean", "default": True},
    }
    return f"Elicitation completed: {await elicited(ctx, 'Who are you?', properties)}"


async def test_elicitation_sep1330_enums(ctx: Any) -> Any:
    """Asks for choices of every kind."""
    plain = ["option1", "option2", "option3"]
    titled = [{"const": it, "title": it.title()} for it in plain]
    properties = {
        "untitledSingle": {"type": "string", "enum": plain},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {"type": "string", "enum": plain, "enumNames": ["One", "Two", "Three"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    }
    return f"Elicitation completed: {await elicited(ctx, 'Which?', properties)}"


def test_x_mcp_header(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
) -> Any:
    """Has a parameter that is a header too."""
    return f"region={region}"


async def test_missing_capability(ctx: Any) -> Any:
    """Needs a client with a model."""
    declared = inputs.declared(ctx)
    if declared is None or declared.sampling is None:
        needed = {"requiredCapabilities": {"sampling": {}}}
        code = types.MISSING_REQUIRED_CLIENT_CAPABILITY
        raise MCPError(code=code, message="sampling is needed", data=needed)
    return "sampling is there"


async def test_reconnection(ctx: Any) -> Any:
    """Closes its stream while it works: the client comes back, and finds the answer."""
    await ctx.info("Before disconnect")
    await ctx.close_sse_stream()
    await ctx.info("After reconnect")
    return "Reconnection test completed"


def json_schema_2020_12_tool() -> Any:
    """Has a schema with everything in it."""
    return "called"


TOOLS: dict[str, Callable[..., Any]] = {
    tool.__name__: tool
    for tool in (
        test_simple_text,
        test_image_content,
        test_audio_content,
        test_embedded_resource,
        test_multiple_content_types,
        test_tool_with_logging,
        test_logging_tool,
        test_tool_with_progress,
        test_error_handling,
        test_sampling,
        test_elicitation,
        test_elicitation_sep1034_defaults,
        test_elicitation_sep1330_enums,
        test_x_mcp_header,
        test_missing_capability,
        test_reconnection,
    )
} | inputs.TOOLS


def static_text() -> str:
    return "This is the content of the static text resource."


def static_binary() -> bytes:
    return base64.b64decode(PNG)


def of_template(id: str) -> str:
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def watched() -> str:
    return "Watched resource content"


RESOURCES: dict[str, tuple[str, Callable[..., Any]]] = {
    "test://static-text": ("text/plain", static_text),
    "test://static-binary": ("image/png", static_binary),
    "test://template/{id}/data": ("application/json", of_template),
    "test://watched-resource": ("text/plain", watched),
}


def test_simple_prompt() -> Any:
    """A text."""
    return [said("This is a simple prompt for testing.")]


def test_prompt_with_arguments(arg1: str, arg2: str) -> Any:
    """A text with arguments."""
    return [said(f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")]


def test_prompt_with_embedded_resource(resourceUri: str) -> Any:
    """A resource and a text."""
    inside = embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
    return [inside, said("Please process the embedded resource above.")]


def test_prompt_with_image() -> Any:
    """A picture and a text."""
    return [image(), said("Please analyze the image above.")]


PROMPTS: dict[str, Callable[..., Any]] = {
    prompt.__name__: prompt
    for prompt in (
        test_simple_prompt,
        test_prompt_with_arguments,
        test_prompt_with_embedded_resource,
        test_prompt_with_image,
    )
} | inputs.PROMPTS


async def complete(ref: Any, argument: Any, context: Any) -> Any:
    return types.Completion(values=[], total=0, has_more=False)


def with_context(functions: dict[str, Callable[..., Any]], context: Any) -> Any:
    """The functions by name, whose `ctx` is a package's own."""
    for function in functions.values():
        if "ctx" in function.__annotations__:
            function.__annotations__["ctx"] = context
    return functions.items()
