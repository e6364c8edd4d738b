"""Where the calls of an event loop wait for their answers."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from typing import Any, cast

from agentadmit._core import AsyncClient, EventLoop, Request

# one for each event loop that has made a call; it goes with its loop
_LOOPS: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, EventLoop] = (
    weakref.WeakKeyDictionary()
)


def _end_of(loop: asyncio.AbstractEventLoop) -> EventLoop:
    end = _LOOPS.get(loop)
    if end is None or not end.is_of_this_process():
        try:
            end = EventLoop()
            loop.add_reader(cast("int", end.fileno()), end.deliver)
        except NotImplementedError:
            end = _called(loop)
        _LOOPS[loop] = end
    return end


def _called(loop: asyncio.AbstractEventLoop) -> EventLoop:
    """For a loop that watches no descriptors, as the usual one of Windows: a thread calls it."""
    there = weakref.ref(loop)

    def ring() -> None:
        loop = there()
        end = None if loop is None else _LOOPS.get(loop)
        if loop is not None and end is not None:
            # a loop that is closed waits for nothing
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(end.deliver)

    return EventLoop(ring)


async def call(client: AsyncClient, request: Request) -> Any:
    """Makes a call and waits for its answer: an `Agent` for a verify, else JSON."""
    loop = asyncio.get_running_loop()
    end = _end_of(loop)
    future: asyncio.Future[Any] = loop.create_future()
    number = end.start(client, request, future)
    try:
        return await future
    except BaseException:
        # cancelled, or a loop that ends: nobody waits for the answer any more
        end.give_up(number)
        raise
