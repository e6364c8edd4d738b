"""Forks, signals, and the end of the interpreter, each in an interpreter of its own."""

from __future__ import annotations

from agentadmit.testing import App

from .fake import ALLOWED, APP, KEY, TOKEN, answer
from .script import run, told

# what a program is told whose service is in itself
NOBODY = {"token": TOKEN, "app_id": APP, "api_key": KEY, "timeout_seconds": 60}

# since 3.12 Python warns of a fork under any thread: this is what gunicorn does all the same
FORK = "ignore:This process:DeprecationWarning"


def _too_many(seconds: int) -> bytes:
    body = {"error": "rate_limited", "error_description": "", "limit": "key"}
    return answer(429, body, Retry_After=str(seconds))


def test_a_forked_child_asks_with_its_own_connections(app: App) -> None:
    said = run(
        """
        client = AgentAdmit(**told)
        print(client.verify(token).user_id, flush=True)
        child = os.fork()
        for _ in range(3):
            client.verify(token)
        if child == 0:
            print("child", client.verify(token).user_id, flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(client.verify(token).user_id)
        """,
        **told(app),
    )
    assert said == "alice\nchild alice\nalice\n"


def test_a_child_forked_after_async_calls_starts_its_own_thread(app: App) -> None:
    said = run(
        """
        client = AsyncAgentAdmit(**told)
        async def main(who):
            agents = await asyncio.gather(*(client.verify(token) for _ in range(20)))
            users = {agent.user_id for agent in agents}
            os.write(1, f"{who} {users}\\n".encode())  # in one piece: others write too
        asyncio.run(main("parent"))
        children = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                asyncio.run(main("child"))
                asyncio.run(main("child"))
                os._exit(0)
            children.append(child)
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
        asyncio.run(main("parent"))
        """,
        warnings=FORK,
        **told(app),
    )
    assert said.count("child {'alice'}") == 6
    assert said.count("parent {'alice'}") == 2


def test_a_fork_while_other_threads_are_in_the_middle_of_calls(app: App) -> None:
    run(
        """
        client, ends = AgentAdmit(**told), threading.Event()
        def work():
            while not ends.is_set():
                client.verify(token)
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            child = os.fork()
            if child == 0:
                signal.alarm(60)
                client.verify(token)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        ends.set()
        for thread in threads:
            thread.join()
        """,
        warnings=FORK,
        **told(app),
    )


def test_a_child_of_multiprocessing_and_its_errors(app: App) -> None:
    said = run(
        """
        import multiprocessing
        from agentadmit.exceptions import AgentAdmitError
        client = AgentAdmit(**told)
        def ask(scope):
            try:
                return client.verify(token, scope).user_id
            except AgentAdmitError as error:
                return error
        client.verify(token)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            user, error = pool.map(ask, ["read:orders", "write:orders"])
        print(user, type(error).__name__, error.granted_scopes, error.status)
        """,
        warnings=FORK,
        **told(app),
    )
    assert said == "alice InsufficientScopeError ('read:orders',) 403\n"


def test_places_of_waiting_calls_are_not_inherited() -> None:
    # of two calls that are told to wait, one finds no place; so the other has it when we fork
    said = run(
        f"""
        late, soon = {_too_many(30)!r}, {_too_many(0)!r}
        yes = {answer(200, ALLOWED)!r}
        told["service_url"] = serve(lambda n: late if n <= 2 else soon if n == 3 else yes)
        client, ended = AgentAdmit(**told, max_waiting=1), queue.Queue()
        def ask():
            try:
                client.verify(token)
            except Exception as error:
                ended.put(type(error).__name__)
        for _ in range(2):
            threading.Thread(target=ask, daemon=True).start()
        print(ended.get(), flush=True)
        child = os.fork()
        if child == 0:
            print(AgentAdmit(**told, max_waiting=1).verify(token).user_id, flush=True)
            os._exit(0)
        print(os.waitpid(child, 0)[1])
        """,
        warnings=FORK,
        **NOBODY,
    )
    assert said == "RateLimitError\nalice\n0\n"


def test_an_interpreter_ends_under_calls() -> None:
    said = run(
        """
        told["service_url"] = serve(lambda n: None)
        sync, client = AgentAdmit(**told), AsyncAgentAdmit(**told)
        threading.Thread(target=sync.verify, args=(token,), daemon=True).start()
        async def main():
            asyncio.get_running_loop().create_task(client.verify(token))
            while asked.qsize() < 2:
                await asyncio.sleep(0.001)
        asyncio.run(main())
        loop = asyncio.new_event_loop()
        threading.Thread(target=lambda: loop.run_until_complete(client.verify(token)),
                         daemon=True).start()
        for _ in range(3):
            asked.get()
        print("ends")
        """,
        **NOBODY,
    )
    assert said == "ends\n"


def test_a_signal_does_not_break_a_call() -> None:
    said = run(
        f"""
        heard = threading.Semaphore(0)
        signal.signal(signal.SIGALRM, lambda *_: heard.release())
        def answers(n):
            for _ in range(5):
                heard.acquire()
            return {answer(200, ALLOWED)!r}
        told["service_url"] = serve(answers)
        client = AgentAdmit(**told)
        signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
        print(client.verify(token).user_id)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(asked.qsize())
        """,
        **NOBODY,
    )
    assert said == "alice\n1\n"


def test_a_ctrl_c_ends_a_call_and_a_wait() -> None:
    said = run(
        f"""
        # a shell starts what it puts into the background with the signal ignored
        signal.signal(signal.SIGINT, signal.default_int_handler)
        def answers(n):
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()
            return None if n == 1 else {_too_many(30)!r}
        told["service_url"] = serve(answers)
        client = AgentAdmit(**told)
        for _ in range(2):
            before = time.monotonic()
            try:
                client.verify(token)
            except KeyboardInterrupt:
                print("interrupted", time.monotonic() - before < 25)
        """,
        **NOBODY,
    )
    assert said == "interrupted True\n" * 2
