# ruff: noqa: F401
"""What every program of `script.run` begins with."""

import asyncio
import json
import os
import queue
import signal
import socket
import sys
import threading
import time
from contextlib import suppress

from agentadmit import AgentAdmit, AsyncAgentAdmit

told = json.loads(sys.argv[1])
token = told.pop("token")

# one for each request that came to `serve`
asked: "queue.Queue[None]" = queue.Queue()


def serve(answers):
    """A service in this program: `answers(n)` is what the nth request gets, or None."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(connection):
        # a client that was ended hangs up
        with suppress(OSError), connection, connection.makefile("rb") as stream:
            while length := read(stream):
                stream.read(length)
                asked.put(None)
                told = answers(asked.qsize())
                if told is None:
                    threading.Event().wait()
                connection.sendall(told)

    def read(stream):
        length = 0
        while (line := stream.readline()) not in (b"", b"\r\n"):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return length

    def accept():
        while True:
            threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"
