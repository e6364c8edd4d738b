"""What a verify costs a Python app: our clients beside others, in turns, in one table.

Called by `cargo xtask bench python`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme

HERE = Path(__file__).parent
SERVICE_CORE, CLIENT_CORE = "0", "1"
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass
class Row:
    """One client in one way of using it."""

    shown: str
    client: str
    loop: str
    at_a_time: int
    scheme: str
    beside: str = ""
    samples: list[dict[str, float]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Calls a second, the median of the rounds."""
        return statistics.median(each["calls"] / each["seconds"] for each in self.samples)

    @property
    def cpu_us(self) -> float:
        """Processor time of the client's process a call, the median of the rounds."""
        return statistics.median(each["cpu_seconds"] / each["calls"] * 1e6 for each in self.samples)


def rows() -> list[Row]:
    """Everything that is measured; ratios are to the row that `beside` names."""
    made = [Row("PyJWT RS256, local", "pyjwt", "threads", 1, "none")]
    for scheme in ("http", "https"):
        for at_a_time in (1, 32):
            for client, shown in (
                ("ours", "AgentAdmit"),
                ("httpx", "httpx.Client"),
                ("requests", "requests.Session"),
                ("urllib3", "urllib3"),
            ):
                made.append(Row(shown, client, "threads", at_a_time, scheme, "httpx"))
            for loop in ("asyncio", "uvloop"):
                for client, shown in (
                    ("ours", "AsyncAgentAdmit"),
                    ("httpx", "httpx.AsyncClient"),
                    ("aiohttp", "aiohttp"),
                ):
                    made.append(Row(shown, client, loop, at_a_time, scheme, "httpx"))
    return made


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
            yield _registered(url, operator, ca_file)
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
    scopes = [{"name": "read:orders", "description": "See your orders"}]
    wanted = {"name": "Bench", "scopes": scopes, "settings": {"rate_limit": limits}}
    app = operate("/v1/operator/apps", wanted)["app_id"]
    key = operate(f"/v1/operator/apps/{app}/api-keys", {"environment": "test", "name": "bench"})
    client = AgentAdmit(service_url=url, app_id=app, api_key=key["api_key"], ca_file=ca_file)
    issued = client.issue_token("alice", ["read:orders"])
    token = client.exchange(issued.token).access_token
    return {
        "url": url,
        "api_key": key["api_key"],
        "token": token,
        "ca_file": str(ca_file) if ca_file else None,
    }


def sample(row: Row, told: dict[str, Any], seconds: float) -> dict[str, float]:
    """One measurement, in a process of its own."""
    wanted = {
        **told,
        "client": row.client,
        "loop": row.loop,
        "at_a_time": row.at_a_time,
        "seconds": seconds,
    }
    command = ["taskset", "-c", CLIENT_CORE, sys.executable, str(HERE / "client.py")]
    done = subprocess.run(
        [*command, json.dumps(wanted)], stdout=subprocess.PIPE, text=True, check=True
    )
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def imports(rounds: int) -> float:
    """Milliseconds from nothing to a class that can be used, over an empty interpreter's."""

    def once(program: str) -> float:
        command = ["taskset", "-c", CLIENT_CORE, sys.executable, "-c", program]
        before = time.perf_counter()
        subprocess.run(command, check=True)
        return time.perf_counter() - before

    loaded, empty = [], []
    for _ in range(5 * rounds):
        empty.append(once("pass"))
        loaded.append(once("import agentadmit; agentadmit.AgentAdmit"))
    return (min(loaded) - min(empty)) * 1000


def table(measured: list[Row], import_ms: float) -> str:
    """The rows, with their ratios."""
    lines = [
        f"{'client':<20}{'loop':<9}{'at a time':>9} {'':<6}{'calls/s':>9}{'CPU us':>8}"
        f"{'x calls/s':>11}{'x CPU':>7}{'x JWT':>7}"
    ]
    jwt = measured[0].cpu_us
    for row in measured:
        peer = next(
            (
                other
                for other in measured
                if other.client == row.beside
                and (other.loop, other.at_a_time, other.scheme)
                == (row.loop, row.at_a_time, row.scheme)
            ),
            None,
        )
        ratios = (
            f"{row.rate / peer.rate:>11.1f}{row.cpu_us / peer.cpu_us:>7.2f}"
            if peer and peer is not row
            else " " * 18
        )
        lines.append(
            f"{row.shown:<20}{row.loop:<9}{row.at_a_time:>9} {row.scheme:<6}"
            f"{row.rate:>9.0f}{row.cpu_us:>8.1f}{ratios}{row.cpu_us / jwt:>7.2f}"
        )
    lines.append(f"import agentadmit, AgentAdmit loaded: {import_ms:.1f} ms")
    return "\n".join(lines)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="agentadmit-bench-")))
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
        issued.private_key_pem.write_to_path(str(folder / "key.pem"))
        (folder / "key.pem").chmod(0o600)
        tls = ["--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")]
        plain = stack.enter_context(service(folder / "http", None, []))
        told = {
            "none": plain,
            "http": plain,
            "https": stack.enter_context(service(folder / "https", folder / "ca.pem", tls)),
        }
        measured = rows()
        for number in range(arguments.rounds):
            for row in measured:
                row.samples.append(sample(row, told[row.scheme], arguments.seconds))
            print(f"round {number + 1} of {arguments.rounds} is done", file=sys.stderr, flush=True)
        print(
            f"{arguments.rounds} rounds of {arguments.seconds} s; service on core {SERVICE_CORE}, "
            f"client on core {CLIENT_CORE}; CPU is the client process's a call; ratios are to "
            f"httpx's row of the same kind, and of CPU to PyJWT's\n"
        )
        print(table(measured, imports(arguments.rounds)))


if __name__ == "__main__":
    main()
