"""`examples/scripted-agent`: it knows nothing beforehand, and plays in the Rust shop too."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from agent_story import AGENT, PAGE, ROOT, agent_module, play_agent
from shop_story import GENERATE, Headers
from support import LIMIT, NO_LIMITS, Site

from agentadmit.testing import Service

SHOP = ROOT / "examples" / "axum-shop"
SCOPES = ["read:orders", "create:refunds"]
# words of the wire, which whoever reads the message need not know
OURS = (
    "agentadmit",
    "token",
    "bearer",
    "authoriz",
    "scope",
    "well-known",
    "exchange",
    "ag_",
    "401",
)


def test_nothing_of_ours_stands_in_it() -> None:
    source = AGENT.read_text().lower()
    assert [word for word in OURS if word in source] == []
    imported = re.findall(r"^(?:from|import) ([\w.]+)", AGENT.read_text(), re.MULTILINE)
    assert {name.split(".")[0] for name in imported} <= set(sys.stdlib_module_names)


def test_it_goes_nowhere_but_where_its_message_says() -> None:
    module = agent_module()
    message = module.Message(
        "Code: abc\n"
        'Do POST https://shop.example/in with {"code": "<the code>"}.\n'
        "Then send every request to https://shop.example, as `X-Key: <key>`.\n"
        "More stands in https://evil.example/list.\n"
    )
    asked: list[tuple[str, str, dict[str, str], str | None]] = []

    def http(*request: object) -> tuple[int, str]:
        asked.append(request)  # type: ignore[arg-type]
        return 200, '{"key": "k"}'

    agent = module.Agent(http, message)
    with pytest.raises(PermissionError, match="evil"):
        agent.come_in()
    [(method, address, _, body)] = asked
    assert (method, address, body) == ("POST", "https://shop.example/in", '{"code": "abc"}')
    assert agent.held == {"X-Key": "k"}


@contextlib.contextmanager
def rust_shop(folder: Path, environ: dict[str, str]) -> Iterator[Site]:
    """`examples/axum-shop`, which the command holds for its demo."""
    settings = (SHOP / "agentadmit.yaml").read_text()
    # it listens where there is room, which no file knows before
    kept = [line for line in settings.splitlines() if not line.startswith("public_url:")]
    (folder / "agentadmit.yaml").write_text("\n".join(kept))
    command = [sys.executable, "-m", "agentadmit", "__demo-app", "127.0.0.1:0"]
    process = subprocess.Popen(
        [*command, "--until-stdin-ends"],
        cwd=folder,
        env={**os.environ, **environ},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        address = urlsplit(said.removeprefix("listening on ").strip())
        assert address.hostname, said
        yield Site(address.hostname, address.port or 0)
    finally:
        process.communicate(timeout=LIMIT)


def page_of(site: Site) -> Headers:
    """What a page of the shop sends for ada."""
    form = urlencode({"login": "ada", "password": "difference-engine"})
    typed = [("Content-Type", "application/x-www-form-urlencoded")]
    cookie = site.ask("POST", "/login", typed, form).headers["set-cookie"].split(";")[0]
    return [("Cookie", cookie), ("Origin", f"http://{site.host}:{site.port}")]


@pytest.mark.slow
def test_the_rust_shop(agentadmit_service: Service, tmp_path: Path) -> None:
    app = agentadmit_service.app(SCOPES, settings=NO_LIMITS)
    with rust_shop(tmp_path, app.environ) as site:
        page = page_of(site)
        play_agent(site, page, "Rust: `examples/axum-shop`", "create:refunds", "A-1001")

        # as a program of its own, with the standard library alone
        issued = site.ask("POST", GENERATE, page, json_body={"scopes": ["read:orders"]}).json
        alone = shutil.copy(AGENT, tmp_path)
        done = subprocess.run(
            [sys.executable, "-I", "-S", alone],
            input=issued["prompt"],
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=True,
        )
        assert "I called GET /orders, and was answered 200." in done.stdout
        assert "It takes create:refunds (" in done.stdout
        assert issued["token"] not in done.stdout


def test_the_page_has_nothing_else() -> None:
    titles = re.findall(r"^## (.*)$", PAGE.read_text(), re.MULTILINE)
    assert titles == [
        "Rust: `examples/axum-shop`",
        "FastAPI: `examples/fastapi-shop`",
        "Flask: `examples/flask-shop`",
        "Django: `examples/django-shop`",
    ]
    assert not re.search(r"ag_[a-z]{2}_\w", PAGE.read_text())
