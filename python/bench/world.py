"""What the measurements share: a service of their own, an app at it, and an agent of that app."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import sys
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SERVICE_CORE, CLIENT_CORE = "0", "1"
SCOPE = "read:orders"
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def mint(prefix: str) -> str:
    """A secret as the service wants it: 256 random bits and their checksum."""

    def base62(value: int, width: int) -> str:
        text = ""
        while value:
            value, digit = divmod(value, 62)
            text = DIGITS[digit] + text
        return text.rjust(width, "0")

    text = prefix + base62(int.from_bytes(os.urandom(32), "big"), 43)
    return text + base62(zlib.crc32(text.encode()), 6)


@contextlib.contextmanager
def service(folder: Path, ca_file: Path | None, tls: list[str]) -> Iterator[dict[str, Any]]:
    """`agentadmit serve` on a store of its own; answers what a client needs."""
    folder.mkdir()
    operator = mint("aa_op_")
    command = ["taskset", "-c", SERVICE_CORE, sys.executable, "-m", "agentadmit", "serve"]
    command += ["--listen", "127.0.0.1:0", "--store", f"sqlite:{folder / 'store.db'}", *tls]
    environment = {**os.environ, "AGENTADMIT_OPERATOR_TOKEN": operator, "AGENTADMIT_LOG": "warn"}
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, cwd=folder
    ) as process:
        try:
            url = ""
            for line in process.stderr or ():
                if line.startswith("listening on "):
                    url = line.split()[2]
                    break
            yield {**_registered(url, operator, ca_file), "pid": process.pid}
        finally:
            process.terminate()


def _registered(url: str, operator: str, ca_file: Path | None) -> dict[str, Any]:
    from agentadmit import AgentAdmit

    context = ssl.create_default_context(cafile=ca_file) if ca_file else None

    def operate(path: str, body: object) -> Any:
        request = urllib.request.Request(
            url + path,
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {operator}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, context=context) as answer:
            return json.load(answer)

    limits = {"per_key_per_second": None, "per_connection_per_second": None}
    scopes = [{"name": SCOPE, "description": "See your orders"}]
    wanted = {"name": "Bench", "scopes": scopes, "settings": {"rate_limit": limits}}
    app = operate("/v1/operator/apps", wanted)["app_id"]
    key = operate(f"/v1/operator/apps/{app}/api-keys", {"environment": "test", "name": "bench"})
    client = AgentAdmit(service_url=url, app_id=app, api_key=key["api_key"], ca_file=ca_file)
    issued = client.issue_token("alice", [SCOPE])
    token = client.exchange(issued.token).access_token
    return {
        "url": url,
        "app_id": app,
        "api_key": key["api_key"],
        "token": token,
        "ca_file": str(ca_file) if ca_file else None,
    }
