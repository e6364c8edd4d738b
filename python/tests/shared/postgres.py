"""A PostgreSQL server of one test run: in a folder of its own, on a socket there."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def programs() -> Path | None:
    """Where `initdb` and `postgres` are: on the path, or where Debian puts them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found += [Path(it) for it in (shutil.which("initdb"),) if it]
    return next(
        (it.resolve().parent for it in found if (it.resolve().parent / "postgres").exists()), None
    )


def somebody() -> dict[str, Any]:
    """Whom the server runs as: root is refused."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise RuntimeError("there is no user `postgres` and none `nobody`")


@contextlib.contextmanager
def running(bin: Path) -> Iterator[str]:
    """Runs a server and answers its address, without a driver: `//user@/database?host=…`."""
    who = somebody()
    folder = Path(tempfile.mkdtemp(prefix="agentadmit-pg-"))
    if who:
        os.chown(folder, who["user"], who["group"])
    data = folder / "data"
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    options = {"cwd": folder, "env": environment, **who}
    try:
        subprocess.run(
            [
                bin / "initdb",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--username=shop",
                "--no-sync",
                "-D",
                data,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            **options,
        )
        settings = [
            "-c",
            "listen_addresses=",
            "-c",
            f"unix_socket_directories={folder}",
            "-c",
            "fsync=off",
            "-c",
            "dynamic_shared_memory_type=mmap",
        ]
        control = [bin / "pg_ctl", "-D", data, "-w", "-t", "60"]
        log = folder / "log"
        subprocess.run(
            [*control, "-l", log, "-o", " ".join(settings), "start"],
            check=True,
            stdout=subprocess.DEVNULL,
            **options,
        )
        try:
            yield f"//shop@/postgres?host={folder}"
        finally:
            subprocess.run(
                [*control, "-m", "immediate", "stop"],
                check=True,
                stdout=subprocess.DEVNULL,
                **options,
            )
    finally:
        shutil.rmtree(folder)
