"""An agent that has HTTP and the message of the grant page, and nothing else, in an example shop:
`examples/scripted-agent`. What it sends and says stands in `docs/agent-transcript.md`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from shop_story import GENERATE, Headers
from support import Site

ROOT = Path(__file__).parents[3]
AGENT = ROOT / "examples" / "scripted-agent" / "agent.py"
PAGE = ROOT / "docs" / "agent-transcript.md"
WRITE = "WRITE_TRANSCRIPT"
"""The variable with which a run writes the page instead of comparing it."""

HERE = "http://127.0.0.1:8000"
TIME = "2026-01-01T00:00:00.000Z"
# what differs from run to run, and what stands for it
PLACEHOLDERS = [
    (r"\b(ag_[a-z]{2}_)[0-9A-Za-z]+", r"\1…"),
    (r"\b(app|conn|evt)_[0-9a-z]{26}\b", r"\1_…"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", TIME),
    (r"^(Idempotency-Key): (\S+)$", r"\1: (\2)"),
    (r'"expires_in": \d+', '"expires_in": 3599'),
    (r'"request_id": "[^"]+"', '"request_id": "…"'),
]


def agent_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scripted_agent", AGENT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Transcript:
    """What was sent, what came, and what the agent said, in the order in which it happened."""

    def __init__(self, module: ModuleType, site: Site) -> None:
        self.module = module
        self.here = f"http://{site.host}:{site.port}"
        self.lines: list[str] = []
        self.statuses: list[int] = []

    def http(
        self, method: str, address: str, headers: dict[str, str], body: str | None
    ) -> tuple[int, str]:
        """The agent's tool, with somebody who writes down what is sent and what comes."""
        assert address.startswith(f"{self.here}/"), "what was handed over goes to the shop alone"
        status, text = self.module.http(method, address, headers, body)
        sent = [f"{method} {address}", *(f"{name}: {value}" for name, value in headers.items())]
        if body is not None:
            sent += ["", body]
        self._block("http", "\n".join(sent))
        self.lines.append(f"{status}")
        self._block("json", pretty(json.loads(text)))
        self.statuses.append(status)
        return status, text

    def says(self, text: str) -> str:
        self.lines += [f"> **The agent says:** {text}", ""]
        return text

    def hands_over(self, message: str) -> None:
        self._block("text", message)

    def note(self, text: str) -> None:
        self.lines += [text, ""]

    def _block(self, kind: str, text: str) -> None:
        self.lines += [f"```{kind}", text, "```", ""]

    @property
    def text(self) -> str:
        text = "\n".join(self.lines).replace(self.here, HERE)
        # the one other address of this machine is the service's
        text = re.sub(r"http://127\.0\.0\.1:(?!8000)\d+", "http://127.0.0.1:8700", text)
        for pattern, stands in PLACEHOLDERS:
            text = re.sub(pattern, stands, text, flags=re.MULTILINE)
        return re.sub(
            r"^Idempotency-Key: \((\w+)\)$",
            lambda it: f"Idempotency-Key: ({len(it[1])} random characters)",
            text,
            flags=re.MULTILINE,
        )


def pretty(value: Any, indent: str = "") -> str:
    """JSON in which what fits stands on one line."""
    whole = json.dumps(value, ensure_ascii=False)
    if len(indent + whole) <= 100 or not isinstance(value, dict | list):
        return whole
    more = indent + "  "
    if isinstance(value, dict):
        inner = [f"{json.dumps(name)}: {pretty(each, more)}" for name, each in value.items()]
        opens, closes = "{", "}"
    else:
        inner = [pretty(each, more) for each in value]
        opens, closes = "[", "]"
    lines = ",\n".join(f"{more}{each}" for each in inner)
    return f"{opens}\n{lines}\n{indent}{closes}"


def play_agent(site: Site, page: Headers, title: str, lacking: str, first: str) -> None:
    """`page`: what a signed-in user's page sends; `lacking`: the scope that the user keeps back;
    `first`: something that the first call reads.
    """
    module = agent_module()
    asked = {"scopes": ["read:orders"], "duration_seconds": 3600}
    issued = site.ask("POST", GENERATE, page, json_body=asked).json
    transcript = Transcript(module, site)
    transcript.hands_over(issued["prompt"])
    agent = module.Agent(transcript.http, module.Message(issued["prompt"]))

    assert "I may do this: read:orders." in transcript.says(agent.come_in())
    assert transcript.says(agent.call(is_allowed=True)).endswith("was answered 200.")
    assert first in json.dumps(agent.read)
    refused = transcript.says(agent.call(is_allowed=False))
    assert transcript.statuses[-1] == 403
    for said in (
        f"It takes {lacking} (",
        "which you have not given me",
        "it is not among what you",
    ):
        assert said in refused
    connection = f"/agentadmit/connections/{issued['connection_id']}"
    assert site.ask("DELETE", connection, page).status == 200
    transcript.note("Its human ends it, on the app's page. The agent's next call:")
    ended = transcript.says(agent.call(is_allowed=True))
    assert transcript.statuses == [200, 200, 200, 403, 401]
    assert "the access has ended: tell me, and do not try again." in ended
    _compare(title, transcript.text)


def _compare(title: str, transcript: str) -> None:
    intro, *sections = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    kept = {name: text.strip() for name, _, text in (it.partition("\n") for it in sections)}
    assert title in kept, f"{PAGE} has no section {title!r}"
    if WRITE in os.environ:
        kept[title] = transcript.strip()
        written = "\n\n".join(f"## {name}\n\n{text}" for name, text in kept.items())
        PAGE.write_text(f"{intro.rstrip()}\n\n{written}\n")
    else:
        assert kept[title] == transcript.strip(), f"{WRITE}=1 writes {PAGE} anew"
