"""Asks one route of an app again and again, on connections that are kept.

Prints `{"calls", "seconds", "p50_us", "app_cpu_us", "service_cpu_us"}`. Told by `guarded.py` what
to do, as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import time
from pathlib import Path

START = 30  # seconds that an app may take to listen

told = json.loads(sys.argv[1])
METHOD = "POST" if told["body"] else "GET"
REQUEST = (
    f"{METHOD} {told['path']} HTTP/1.1\r\nHost: shop.example\r\n{told['header']}\r\n"
    f"Content-Length: {len(told['body'])}\r\nConnection: keep-alive\r\n\r\n{told['body']}"
).encode()


class Caller(asyncio.Protocol):
    """One connection, with one request under way."""

    def __init__(self, waits: list[float]) -> None:
        """`waits` takes the seconds of each answer."""
        self.waits = waits
        self.ends = asyncio.get_running_loop().create_future()
        self.received = b""
        self.until = float("inf")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the first time."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        """One request."""
        self.since = time.perf_counter()
        self.transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        """Asks again as soon as the answer is whole."""
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end:
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            self.fail(head.decode("latin-1"))
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return
        self.received = b""
        now = time.perf_counter()
        self.waits.append(now - self.since)
        if now < self.until:
            self.ask()
        elif not self.ends.done():
            self.ends.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """The app has hung up."""
        self.fail(f"the connection ended: {error}")

    def fail(self, why: str) -> None:
        """Ends the measurement."""
        if not self.ends.done():
            self.ends.set_exception(RuntimeError(why))


def family(process: int) -> list[int]:
    """A process and its descendants: a server may work in children."""
    found = [process]
    for thread in Path(f"/proc/{process}/task").iterdir():
        # a thread may have ended meanwhile
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in (thread / "children").read_text().split():
                found += family(int(child))
    return found


def cpu_seconds(processes: list[int]) -> float:
    """Processor time of processes so far, by the clock that Linux keeps for each."""
    # MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of the kernel's posix-timers.h
    return sum(time.clock_gettime((~process << 3) | 2) for process in processes)


async def main() -> None:
    """Warms up, measures and prints."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + START
    waits: list[float] = []
    callers: list[Caller] = []
    while len(callers) < told["at_a_time"]:
        try:
            _, caller = await loop.create_connection(
                lambda: Caller(waits), "127.0.0.1", told["port"]
            )
            callers.append(caller)
        except ConnectionRefusedError:
            # it does not listen yet
            if loop.time() > give_up:
                raise
            await asyncio.sleep(0.05)
    while len(waits) < 50 * told["at_a_time"]:
        await asyncio.sleep(0.01)
        for caller in callers:
            if caller.ends.done():
                caller.ends.result()
    app, service = family(told["app_pid"]), [told["service_pid"]]
    before = cpu_seconds(app), cpu_seconds(service)
    waits.clear()
    start = time.perf_counter()
    for caller in callers:
        caller.until = start + told["seconds"]
    await asyncio.gather(*(caller.ends for caller in callers))
    seconds = time.perf_counter() - start
    after = cpu_seconds(app), cpu_seconds(service)
    calls = len(waits)
    measured = {
        "calls": calls,
        "seconds": seconds,
        "p50_us": statistics.median(waits) * 1e6,
        "app_cpu_us": (after[0] - before[0]) / calls * 1e6,
        "service_cpu_us": (after[1] - before[1]) / calls * 1e6,
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    asyncio.run(main())
