"""What AgentAdmit costs a Python app: a call, a guarded route, an import; each in one table.

Called by `cargo xtask bench python`.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

import calls
import guarded
import imports
import trustme
from world import service

PARTS = ("calls", "guarded", "imports")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--interpreters", nargs="+", default=[sys.executable])
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="agentadmit-bench-")))
        plain = stack.enter_context(service(folder / "http", None, []))
        told = {"none": plain, "http": plain}
        if "calls" in arguments.only:
            told["https"] = stack.enter_context(service(folder / "https", *own_tls(folder)))
        plain["folder"] = guarded.configured(folder / "app")
        clients = calls.rows() if "calls" in arguments.only else []
        routes = guarded.rows() if "guarded" in arguments.only else []
        # in turns, so that a machine that slows down does so to all of them
        for number in range(arguments.rounds):
            for client in clients:
                client.samples.append(calls.sample(client, told[client.scheme], arguments.seconds))
            for route in routes:
                route.samples.append(guarded.sample(route, plain, arguments.seconds))
            print(f"round {number + 1} of {arguments.rounds} is done", file=sys.stderr, flush=True)
    print(f"{arguments.rounds} rounds of {arguments.seconds} s; medians")
    if clients:
        print(f"\n{calls.table(clients)}")
    if routes:
        print(f"\n{guarded.table(routes)}")
    if "imports" in arguments.only:
        print(f"\n{imports.table(arguments.interpreters)}")


def own_tls(folder: Path) -> tuple[Path, list[str]]:
    """A certificate to trust, and the arguments of a service that has it."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    (folder / "key.pem").chmod(0o600)
    tls = ["--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")]
    return folder / "ca.pem", tls


if __name__ == "__main__":
    main()
