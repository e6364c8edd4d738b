"""An agent with one tool, HTTP, that knows one thing: the message that its human pasted.

    python agent.py < message.txt

There is no model in it. It reads the message as anybody would who knows HTTP and JSON, by the form
of its sentences; what the message does not say, it reads in what the app answers. No address, no
header and no name of a member of what it is sent stands in this file: a test holds it to that.

| what stands there | what the agent takes it for |
| --- | --- |
| a method and an address | a request that it shall make |
| `{…}` behind them | the body of that request; `"<…>"` in it is to be filled in |
| a name in back-ticks "of 22 to 64 random characters" | a header of that request |
| "every request to" an address | where it may send what it holds, and nowhere else |
| a header in back-ticks with `<…>` in it | what goes with each of these; `<…>` is in the answer |
| any other address with a path | where it stands what it can call |
| a line "- name: what it means" | what it may do |
| a sentence with a status | what such an answer means, and what to do then |
"""

from __future__ import annotations

import json
import re
import secrets
import string
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

Http = Callable[[str, str, dict[str, str], "str | None"], "tuple[int, str]"]
"""The one tool: method, address, headers and body; status and body of the answer."""

ADDRESS = re.compile(r"https?://[^\s,]*[^\s,.]")
REQUEST = re.compile(rf"\b(GET|POST|PUT|PATCH|DELETE) ({ADDRESS.pattern})")
RANDOM = re.compile(r"`([\w-]+)` of (\d+) to \d+ random characters")
HEADER = re.compile(r"`([\w-]+): ([^`]*)<(\w+)>([^`]*)`")
PLACEHOLDER = re.compile(r"<(?:the |your )?([^>]*)>")
GRANTED = re.compile(r"^- (\S+?)(?:: (.*))?$", re.MULTILINE)
LABELLED = re.compile(r"^([A-Z][a-z ]*): (\S+)$", re.MULTILINE)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def origin(address: str) -> str:
    """Scheme, host and port of an address."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


class Message:
    """What a human pasted."""

    def __init__(self, text: str) -> None:
        """The message as it was pasted."""
        self.text = text
        self.labelled = {name.lower(): value for name, value in LABELLED.findall(text)}
        self.granted: dict[str, str] = dict(GRANTED.findall(text))

    @property
    def home(self) -> str:
        """The one origin that may be sent what the agent holds."""
        found = re.search(rf"every request to ({ADDRESS.pattern})", self.text)
        assert found, "the message does not say where requests go"
        return origin(found[1])

    def request(self, name: str) -> tuple[str, str, dict[str, str], str]:
        """The request that the message asks for, filled in."""
        [found] = REQUEST.finditer(self.text)
        rest = self.text[found.end() :].split("\n", 1)[0]
        body, _ = json.JSONDecoder().raw_decode(rest, rest.index("{"))
        known = {**self.labelled, "name": name}
        filled = {
            member: PLACEHOLDER.sub(lambda it: known[it[1]], value)
            for member, value in body.items()
        }
        letters = string.ascii_letters + string.digits
        headers = {
            header: "".join(secrets.choice(letters) for _ in range(int(length)))
            for header, length in RANDOM.findall(rest)
        }
        return found[1], found[2], headers, json.dumps(filled)

    def headers(self, answer: dict[str, Any]) -> dict[str, str]:
        """What goes with every later request, filled in from an answer."""
        return {
            name: f"{before}{answer[member]}{behind}"
            for name, before, member, behind in HEADER.findall(self.text)
        }

    @property
    def documents(self) -> list[str]:
        """Where it stands what can be called."""
        asked = [address for _, address in REQUEST.findall(self.text)]
        found = (
            address for address in ADDRESS.findall(self.text) if urlsplit(address).path.strip("/")
        )
        return [address for address in found if address not in asked]

    def about(self, status: int) -> str:
        """What the message says of such an answer."""
        sentences = re.split(r"(?<=\.)\s+", self.text)
        return next((it for it in sentences if re.search(rf"\b{status}\b", it)), "")


@dataclass(frozen=True)
class Route:
    """Something that can be called."""

    method: str
    path: str
    needs: frozenset[str]


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in a value, in its order."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from objects(each)


def meanings(document: Any) -> dict[str, str]:
    """What may be allowed at all: a word, and a sentence about it, side by side."""
    found: dict[str, str] = {}
    for each in objects(document):
        texts = [text for text in each.values() if isinstance(text, str)]
        words = [text for text in texts if re.fullmatch(r"[\w.-]+:[\w.:-]+", text)]
        sentences = [text for text in texts if " " in text]
        if len(words) == 1 and sentences and not routes_in(each, {}):
            found[words[0]] = sentences[0]
    return found


def routes_in(document: Any, known: dict[str, str]) -> list[Route]:
    """What can be called: objects with a method and a path."""
    found: list[Route] = []
    for each in objects(document):
        texts = [text for text in each.values() if isinstance(text, str)]
        methods = [text for text in texts if text in METHODS]
        paths = [text for text in texts if text.startswith("/")]
        if methods and paths:
            words = next(
                (set(text.split()) for text in texts if set(text.split()) <= set(known)), set()
            )
            found.append(Route(methods[0], paths[0], frozenset(words)))
    return found


@dataclass
class Agent:
    """Does what its message says, and tells its human what came of it."""

    http: Http
    message: Message
    name: str = "Scripted agent"
    held: dict[str, str] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    routes: list[Route] = field(default_factory=list)
    read: Any = None

    def ask(
        self, method: str, address: str, headers: dict[str, str], body: str | None
    ) -> tuple[int, Any]:
        """One request; never to another place than the message names."""
        if origin(address) != self.message.home:
            raise PermissionError(f"{address} is not where I was told to go")
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
        status, text = self.http(method, address, headers, body)
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text

    def come_in(self) -> str:
        """Makes the request of the message, and reads what can be called."""
        status, answer = self.ask(*self.message.request(self.name))
        if status != 200:
            return self.explain("come in", status, answer)
        self.held = self.message.headers(answer)
        for address in self.message.documents:
            _, document = self.ask("GET", address, {}, None)
            self.known = {**meanings(document), **self.message.granted}
            self.routes = routes_in(document, self.known)
        allowed = ", ".join(self.message.granted)
        return f"I am in. I may do this: {allowed}. I found {len(self.routes)} things to call."

    def call(self, *, is_allowed: bool) -> str:
        """Calls the first thing that the message allows, or the first that it does not."""
        mine = set(self.message.granted)
        fits = (
            route
            for route in self.routes
            if (route.needs <= mine) == is_allowed
            # to try something out, reading is enough, and what stands in braces must be known
            and (not is_allowed or (route.method == "GET" and "{" not in route.path))
        )
        route = next(fits)
        address = self.message.home + re.sub(r"\{(\w+)\}", self._known, route.path)
        status, answer = self.ask(route.method, address, self.held, None)
        what = f"{route.method} {urlsplit(address).path}"
        if status >= 400:
            return self.explain(what, status, answer)
        self.read = answer
        return f"I called {what}, and was answered {status}."

    def _known(self, wanted: re.Match[str]) -> str:
        """What the agent has read of that name."""
        found = (each[wanted[1]] for each in objects(self.read) if wanted[1] in each)
        return str(next(found, 1))

    def explain(self, what: str, status: int, answer: Any) -> str:
        """A refusal in words for the human: what the app says, what is lacking, what was agreed."""
        texts = [
            text for each in objects(answer) for text in each.values() if isinstance(text, str)
        ]
        said = next(
            (text for text in texts if " " in text and set(text.split()) - set(self.known)), ""
        )
        words = {word for text in texts for word in text.split()}
        lacks = [it for it in self.known if it in words and it not in self.message.granted]
        parts = [f"I could not {what}: the answer was {status}."]
        if said:
            parts.append(f"The app says: “{said}”")
        for name in lacks:
            parts.append(f"It takes {name} ({self.known[name]}), which you have not given me.")
        agreed = self.message.about(status)
        if agreed:
            parts.append(f"Your message says of that: “{agreed}”")
        return " ".join(parts)


def http(method: str, address: str, headers: dict[str, str], body: str | None) -> tuple[int, str]:
    """The tool, with the standard library."""
    data = None if body is None else body.encode()
    request = urllib.request.Request(address, data, headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def main() -> None:
    """Reads the message on stdin, comes in, makes its first call, and tries what it may not."""
    agent = Agent(http, Message(sys.stdin.read()))
    print(agent.come_in())
    if agent.held:
        print(agent.call(is_allowed=True))
        print(agent.call(is_allowed=False))


if __name__ == "__main__":
    main()
