"""One client under measurement, in a process of its own: asks until the time is over.

Prints `{"calls", "seconds", "cpu_seconds"}`. Told by `run.py` what to do, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from world import SCOPE

ENDPOINT = "/orders/{id}"

told = json.loads(sys.argv[1])
URL = f"{told['url']}/v1/verify"
HEADERS = {"Authorization": f"Bearer {told['api_key']}"}
BODY = {
    "token": told["token"],
    "scope_used": SCOPE,
    "endpoint": ENDPOINT,
    "method": "GET",
}
CA: str | None = told["ca_file"]


def check(status: int, answer: dict[str, Any]) -> None:
    """What a careful app would look at, no more."""
    if status != 200 or answer["active"] is not True or SCOPE not in answer["scopes"]:
        raise PermissionError(status)


def ours() -> Callable[[], None]:
    """`AgentAdmit`."""
    from agentadmit import AgentAdmit

    client = AgentAdmit(service_url=told["url"], api_key=told["api_key"], ca_file=CA)
    return lambda: check_ours(
        client.verify(told["token"], SCOPE, endpoint=ENDPOINT, method="GET").scopes
    )


def check_ours(scopes: tuple[str, ...]) -> None:
    """The client has looked at everything; the scopes are read as the others' are."""
    if SCOPE not in scopes:
        raise PermissionError


def requests_session() -> Callable[[], None]:
    """`requests.Session`."""
    import requests

    session = requests.Session()
    session.trust_env = False  # else a variable names other certificates
    session.verify = CA or True

    def call() -> None:
        answer = session.post(URL, json=BODY, headers=HEADERS, timeout=5)
        check(answer.status_code, answer.json())

    return call


def httpx_client() -> Callable[[], None]:
    """`httpx.Client`."""
    import httpx

    client = httpx.Client(verify=tls() or True, timeout=5)

    def call() -> None:
        answer = client.post(URL, json=BODY, headers=HEADERS)
        check(answer.status_code, answer.json())

    return call


def urllib3_pool() -> Callable[[], None]:
    """`urllib3.PoolManager`."""
    import urllib3

    pool = urllib3.PoolManager(maxsize=64, ca_certs=CA)

    def call() -> None:
        answer = pool.request("POST", URL, json=BODY, headers=HEADERS, timeout=5)
        check(answer.status, answer.json())

    return call


def pyjwt() -> Callable[[], None]:
    """PyJWT's check of an RS256 signature, without any service."""
    import jwt
    from cryptography.hazmat.primitives.asymmetric import rsa

    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key()
    claims = {"sub": "alice", "aud": "app", "scope": SCOPE, "exp": int(time.time()) + 3600}
    token = jwt.encode(claims, private, algorithm="RS256")

    def call() -> None:
        read = jwt.decode(token, public, algorithms=["RS256"], audience="app")
        if SCOPE not in read["scope"].split():
            raise PermissionError

    return call


async def ours_async() -> Callable[[], Awaitable[None]]:
    """`AsyncAgentAdmit`."""
    from agentadmit import AsyncAgentAdmit

    client = AsyncAgentAdmit(service_url=told["url"], api_key=told["api_key"], ca_file=CA)

    async def call() -> None:
        agent = await client.verify(told["token"], SCOPE, endpoint=ENDPOINT, method="GET")
        check_ours(agent.scopes)

    return call


async def httpx_async() -> Callable[[], Awaitable[None]]:
    """`httpx.AsyncClient`."""
    import httpx

    client = httpx.AsyncClient(verify=tls() or True, timeout=30)

    async def call() -> None:
        answer = await client.post(URL, json=BODY, headers=HEADERS)
        check(answer.status_code, answer.json())

    return call


async def aiohttp_session() -> Callable[[], Awaitable[None]]:
    """`aiohttp.ClientSession`."""
    import aiohttp

    context = tls()
    connector = aiohttp.TCPConnector(ssl=context) if context else None
    session = aiohttp.ClientSession(connector=connector)

    async def call() -> None:
        async with session.post(URL, json=BODY, headers=HEADERS) as answer:
            check(answer.status, await answer.json())

    return call


def tls() -> Any:
    """The context that trusts the service, where it speaks TLS."""
    import ssl

    return ssl.create_default_context(cafile=CA) if CA else None


SYNC = {
    "ours": ours,
    "requests": requests_session,
    "httpx": httpx_client,
    "urllib3": urllib3_pool,
    "pyjwt": pyjwt,
}
ASYNC = {"ours": ours_async, "httpx": httpx_async, "aiohttp": aiohttp_session}


class Clock:
    """Counts calls from the first to the last; the warm-up is not counted."""

    def __init__(self) -> None:
        """Starts now."""
        self.calls = 0
        self.cpu, self.start = time.process_time(), time.perf_counter()
        self.end = self.start + told["seconds"]

    def is_over(self) -> bool:
        """Whether the time is over."""
        return time.perf_counter() >= self.end

    def say(self) -> None:
        """Prints the sample, and ends."""
        seconds, cpu = time.perf_counter() - self.start, time.process_time() - self.cpu
        print(json.dumps({"calls": self.calls, "seconds": seconds, "cpu_seconds": cpu}), flush=True)
        os._exit(0)  # sessions that nobody closes say so at the end


def on_threads(call: Callable[[], None], at_a_time: int) -> None:
    """Every thread asks again when it has its answer."""
    for _ in range(20):
        call()
    clock = Clock()

    def work() -> None:
        while not clock.is_over():
            call()
            clock.calls += 1

    threads = [threading.Thread(target=work) for _ in range(at_a_time - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    clock.say()


async def on_loop(make: Callable[[], Awaitable[Callable[[], Awaitable[None]]]]) -> None:
    """Every task asks again when it has its answer."""
    call = await make()
    await asyncio.gather(*(call() for _ in range(told["at_a_time"])))
    clock = Clock()

    async def work() -> None:
        while not clock.is_over():
            await call()
            clock.calls += 1

    await asyncio.gather(*(work() for _ in range(told["at_a_time"])))
    clock.say()


def main() -> None:
    """Measures what it was told to."""
    if told["loop"] == "threads":
        on_threads(SYNC[told["client"]](), told["at_a_time"])
        return
    if told["loop"] == "uvloop":
        import uvloop

        run: Callable[..., None] = uvloop.run
    else:
        run = asyncio.run
    run(on_loop(ASYNC[told["client"]]))


if __name__ == "__main__":
    main()
