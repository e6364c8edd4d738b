"""The tools and the prompt of the conformance suite that answer with a question (MCP 2026-07-28,
`InputRequiredResult`): the client asks whom it has, and calls again with the answers.

Both packages have the same context and the same types here.
"""

import json
from typing import Any

import mcp.types as types

STATE = "request-state-nonce"


def asked(message: str, field: str, kind: str = "string") -> types.ElicitRequest:
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return types.ElicitRequest(
        params=types.ElicitRequestFormParams(message=message, requested_schema=schema)
    )


def sampled(text: str) -> types.CreateMessageRequest:
    message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=text))
    params = types.CreateMessageRequestParams(messages=[message], max_tokens=100)
    return types.CreateMessageRequest(params=params)


def answer(responses: Any, name: str, field: str) -> str | None:
    """What a person typed into a field; `None` where they did not."""
    given = (responses or {}).get(name)
    content = given.content if isinstance(given, types.ElicitResult) else None
    value = (content or {}).get(field)
    return None if value is None else str(value)


def declared(ctx: Any) -> types.ClientCapabilities | None:
    """What the client says that it can do."""
    params = ctx.session.client_params
    return params.capabilities if params else None


def wanted(state: str | None = None, **requests: Any) -> types.InputRequiredResult:
    return types.InputRequiredResult(input_requests=requests, request_state=state)


async def elicitation(ctx: Any) -> Any:
    """Asks for a name."""
    name = answer(ctx.input_responses, "user_name", "name")
    return f"Hello, {name}!" if name else wanted(user_name=asked("What is your name?", "name"))


async def sampling(ctx: Any) -> Any:
    """Asks a model."""
    given = (ctx.input_responses or {}).get("capital_question")
    if isinstance(given, types.CreateMessageResult):
        return f"The model said: {given.content.text}"
    return wanted(capital_question=sampled("What is the capital of France?"))


async def list_roots(ctx: Any) -> Any:
    """Asks for roots."""
    given = (ctx.input_responses or {}).get("client_roots")
    if isinstance(given, types.ListRootsResult):
        return f"{len(given.roots)} roots"
    return wanted(client_roots=types.ListRootsRequest())


async def request_state(ctx: Any) -> Any:
    """Wants its state back."""
    if "confirm" in (ctx.input_responses or {}) and ctx.request_state == STATE:
        return "state-ok: confirmed"
    return wanted(STATE, confirm=asked("Please confirm", "ok", "boolean"))


async def multiple_inputs(ctx: Any) -> Any:
    """Asks for three things at once."""
    if {"user_name", "greeting", "client_roots"} <= set(ctx.input_responses or {}):
        return "all three came"
    return wanted(
        STATE,
        user_name=asked("What is your name?", "name"),
        greeting=sampled("Generate a greeting"),
        client_roots=types.ListRootsRequest(),
    )


async def multi_round(ctx: Any) -> Any:
    """Asks twice."""
    state = json.loads(ctx.request_state) if ctx.request_state else {}
    name = state.get("name") or answer(ctx.input_responses, "step1", "name")
    color = answer(ctx.input_responses, "step2", "color")
    if state and name and color:
        return f"{name} likes {color}."
    if state and name:
        step2 = asked("Step 2: What is your favorite color?", "color")
        return wanted(json.dumps({"round": 2, "name": name}), step2=step2)
    return wanted(json.dumps({"round": 1}), step1=asked("Step 1: What is your name?", "name"))


async def tampered_state(ctx: Any) -> Any:
    """Takes back no state but its own."""
    # that a state was changed on the way is found out before this is called
    if ctx.request_state is None:
        return wanted(STATE, confirm=asked("Please confirm", "ok", "boolean"))
    return f"state-ok: {ctx.request_state}"


async def capabilities(ctx: Any) -> Any:
    """Asks for what the client can do alone."""
    client = declared(ctx)
    requests: dict[str, Any] = {}
    if client is not None and client.sampling is not None:
        requests["sample"] = sampled("Say hello")
    if client is not None and client.elicitation is not None:
        requests["ask"] = asked("What is your name?", "name")
    return wanted(STATE, **requests)


async def streaming_elicitation(ctx: Any) -> Any:
    """Tells its progress, and asks for a name."""
    await ctx.report_progress(progress=1, total=2)
    return wanted(user_name=asked("What is your name?", "name"))


async def prompt(ctx: Any) -> Any:
    """A text in a context that is asked for."""
    context = answer(ctx.input_responses, "user_context", "context")
    if context:
        return f"Use the following context: {context}"
    return wanted(user_context=asked("What context should the prompt use?", "context"))


TOOLS = {
    f"test_input_required_result_{tool.__name__}": tool
    for tool in (
        elicitation,
        sampling,
        list_roots,
        request_state,
        multiple_inputs,
        multi_round,
        tampered_state,
        capabilities,
    )
} | {"test_streaming_elicitation": streaming_elicitation}

PROMPTS = {"test_input_required_result_prompt": prompt}
