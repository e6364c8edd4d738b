"""Real async: cancellation, time-outs, many loops, uvloop; and trio by its threads."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import socket
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest
import trio
import uvloop

from agentadmit import AgentAdmit, AsyncAgentAdmit, _loop
from agentadmit.testing import App

from . import script
from .fake import ALLOWED, TOKEN, FakeService, Seen, answer

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def on_uvloop(main: Coroutine[Any, Any, Any]) -> Any:
    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


class Deaf(asyncio.SelectorEventLoop):
    """Watches no descriptors for others, as the usual loop of Windows."""

    def add_reader(self, *_: Any) -> Any:
        raise NotImplementedError


def on_a_deaf_loop(main: Coroutine[Any, Any, Any]) -> Any:
    loop = Deaf()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


@pytest.fixture(
    params=[asyncio.run, on_uvloop, on_a_deaf_loop], ids=["asyncio", "uvloop", "called"]
)
def run(request: pytest.FixtureRequest) -> Run:
    runner: Run = request.param
    return runner


def waits(condition: Callable[[], bool]) -> bool:
    """Whether it holds within a generous time."""
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        threading.Event().wait(0.005)
    return condition()


def test_calls_are_under_way_together(run: Run, fake: FakeService) -> None:
    everybody = threading.Barrier(16)

    def answers(seen: Seen) -> bytes:
        everybody.wait(timeout=30)
        return answer(200, ALLOWED)

    fake.answers = answers

    async def main() -> None:
        client = AsyncAgentAdmit(**fake.arguments)
        agents = await asyncio.gather(*(client.verify(TOKEN) for _ in range(16)))
        assert {agent.user_id for agent in agents} == {"alice"}

    run(main())


@pytest.mark.parametrize("run", [asyncio.run, on_uvloop])
def test_all_answers_that_arrived_wake_the_loop_once(run: Run, fake: FakeService) -> None:
    released = threading.Event()

    def answers(seen: Seen) -> bytes:
        released.wait(timeout=30)
        return answer(200, ALLOWED)

    fake.answers = answers

    async def main() -> None:
        client = AsyncAgentAdmit(**fake.arguments)
        calls = [asyncio.ensure_future(client.verify(TOKEN)) for _ in range(16)]
        while len(fake.seen) < 16:
            await asyncio.sleep(0.001)
        end = _loop._LOOPS[asyncio.get_running_loop()]
        released.set()
        # this holds the loop: what arrives now waits for its next turn
        assert waits(lambda: end.arrived() == 16)
        assert waits(lambda: wakes(end) > 0)
        assert wakes(end) == 1
        done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert len(done) == 16, "and that one turn has them all"
        assert wakes(end) == 0

    run(main())


def wakes(end: Any) -> int:
    """How many times the loop was woken that has not looked yet: a byte for each."""
    with socket.socket(fileno=os.dup(end.fileno())) as there:
        try:
            return len(there.recv(64, socket.MSG_PEEK))
        except BlockingIOError:
            return 0


def test_the_loop_goes_on_meanwhile(run: Run, fake: FakeService) -> None:
    released = threading.Event()

    def answers(seen: Seen) -> bytes:
        released.wait(timeout=30)
        return answer(200, ALLOWED)

    fake.answers = answers

    async def main() -> None:
        call = asyncio.ensure_future(AsyncAgentAdmit(**fake.arguments).verify(TOKEN))
        await asyncio.sleep(0)
        assert not call.done()
        released.set()
        assert (await call).user_id == "alice"

    run(main())


def test_a_time_out_gives_the_call_up(run: Run, fake: FakeService) -> None:
    fake.answers = lambda seen: None

    async def main() -> None:
        client = AsyncAgentAdmit(**fake.arguments)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.verify(TOKEN), 0.05)
        assert len(_loop._LOOPS[asyncio.get_running_loop()]) == 0

    run(main())


def test_a_cancelled_call_takes_its_connection_with_it(run: Run, fake: FakeService) -> None:
    ended = threading.Event()
    asked = threading.Event()

    def answers(seen: Seen) -> bytes | None:
        asked.set()
        return None

    fake.answers = answers
    serve = fake._serve

    def watched(connection: Any) -> None:
        reader = threading.Thread(target=serve, args=(connection,))
        fake._threads.append(reader)
        reader.start()
        asked.wait(timeout=30)
        # the other side hangs up: `serve` itself says no more
        while connection.recv(1, 2):
            threading.Event().wait(0.005)
        ended.set()

    fake._serve = watched  # type: ignore[method-assign]

    async def main() -> None:
        call = asyncio.ensure_future(AsyncAgentAdmit(**fake.arguments).verify(TOKEN))
        while not asked.is_set():
            await asyncio.sleep(0.001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    run(main())
    assert ended.wait(timeout=30)


@pytest.mark.slow
def test_ten_thousand_calls_and_random_cancellation_leak_nothing(run: Run, app: App) -> None:
    token = app.user("alice").agent("read:orders").token
    dice = random.Random(5)
    client = AsyncAgentAdmit(
        service_url=app.service.url, app_id=app.app_id, api_key=app.api_key, timeout_seconds=60
    )
    ended = {"answered": 0, "cancelled": 0}

    async def one() -> None:
        call = asyncio.ensure_future(client.verify(token, "read:orders"))
        if dice.random() < 0.3:
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0)
            call.cancel()
        try:
            assert (await call).user_id == "alice"
            ended["answered"] += 1
        except asyncio.CancelledError:
            ended["cancelled"] += 1

    async def round_of(calls: int) -> None:
        await asyncio.gather(*(one() for _ in range(calls)))
        end = _loop._LOOPS[asyncio.get_running_loop()]
        assert len(end) == 0, "no future is kept"
        assert len(asyncio.all_tasks()) == 1, "no task is left"
        for _ in range(3):
            await asyncio.sleep(0)  # what the loop itself still has to do

    async def main() -> None:
        await round_of(1000)
        gc.collect()
        objects, files = len(gc.get_objects()), len(os.listdir("/proc/self/fd"))
        await round_of(10_000)
        gc.collect()
        assert len(gc.get_objects()) < objects + 500
        # the connections that are kept have two ends in this process
        assert len(os.listdir("/proc/self/fd")) < files + 2 * 128 + 16

    run(main())
    assert ended["answered"] + ended["cancelled"] == 11_000
    assert min(ended.values()) > 1000


@pytest.mark.slow
def test_a_process_does_not_grow_with_its_calls(app: App) -> None:
    said = script.run(
        """
        import ctypes, gc, random, tracemalloc
        dice = random.Random(7)
        client = AsyncAgentAdmit(**told)

        async def one():
            call = asyncio.ensure_future(client.verify(token, "read:orders"))
            if dice.random() < 0.3:
                for _ in range(dice.randrange(4)):
                    await asyncio.sleep(0)
                call.cancel()
            with suppress(asyncio.CancelledError):
                assert (await call).user_id == "alice"

        async def round():
            await asyncio.gather(*(one() for _ in range(10_000)))
            for _ in range(3):
                await asyncio.sleep(0)

        def held():
            "Bytes of Python's own, and of the whole process."
            gc.collect()
            ctypes.CDLL(None).malloc_trim(0)
            with open("/proc/self/statm") as file:
                pages = int(file.read().split()[1])
            return tracemalloc.get_traced_memory()[0], pages * os.sysconf("SC_PAGE_SIZE")

        async def main():
            # the heap of the allocator settles after some rounds; what leaks grows in all of them
            for _ in range(5):
                before = held()
                for _ in range(3):
                    await round()
                grown = [now - then for now, then in zip(held(), before)]
                # a call holds more than 200 bytes: 30,000 of them are 6,000,000
                if grown[0] < 200_000 and grown[1] < 3_000_000:
                    return
            raise AssertionError(grown)

        tracemalloc.start()
        asyncio.run(main())
        print("done")
        """,
        **script.told(app),
    )
    assert said == "done\n"


def test_many_loops_after_each_other_and_at_once(app: App) -> None:
    token = app.user("alice").agent("read:orders").token
    client = app.async_client
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def main() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        agents = await asyncio.gather(*(client.verify(token) for _ in range(8)))
        assert all(agent.user_id == "alice" for agent in agents)

    for _ in range(5):
        asyncio.run(main())
    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loops) == 13
    gc.collect()
    assert [loop() for loop in loops] == [None] * 13, "a loop that is gone is not kept"


def test_a_loop_that_is_closed_with_a_call_under_way(fake: FakeService) -> None:
    asked = threading.Event()

    def answers(seen: Seen) -> bytes | None:
        asked.set()
        return None

    fake.answers = answers
    loop = asyncio.new_event_loop()
    call = loop.create_task(AsyncAgentAdmit(**fake.arguments).verify(TOKEN))

    async def until_asked() -> None:
        while not asked.is_set():
            await asyncio.sleep(0.001)

    loop.run_until_complete(until_asked())
    call.cancel()
    loop.run_until_complete(asyncio.gather(call, return_exceptions=True))
    loop.close()
    fake.answers = lambda seen: answer(200, ALLOWED)
    assert asyncio.run(AsyncAgentAdmit(**fake.arguments).verify(TOKEN)).user_id == "alice"


def test_many_threads_share_a_client(app: App) -> None:
    token = app.user("alice").agent("read:orders").token
    client = app.client
    answered: list[str] = []

    def work() -> None:
        for _ in range(20):
            answered.append(client.verify(token, "read:orders").user_id)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answered == ["alice"] * 160


def test_a_call_gives_the_gil_back(fake: FakeService) -> None:
    # the answer is given by a Python thread: with the GIL held it would never come
    assert AgentAdmit(**fake.arguments).verify(TOKEN).user_id == "alice"


def test_trio_asks_by_its_threads(app: App) -> None:
    token = app.user("alice").agent("read:orders").token
    users: list[str] = []

    async def one() -> None:
        verify = partial(app.client.verify, token, "read:orders")
        agent = await trio.to_thread.run_sync(verify)
        users.append(agent.user_id)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(one)

    trio.run(main)
    assert users == ["alice"] * 8
