"""Two nodes, PostgreSQL and the balancer of the compose file, as processes on hosts of their own.

    unshare --net --mount --pid --fork --kill-child --mount-proc \\
        python3 deploy/check/play.py target/release/agentadmit

Prints a line for each thing that it saw and ends with the counts.
"""

import base64
import http.client
import json
import os
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from containers import Container, Project, eventually

SCOPE = "read:orders"
# How often each of the load's connections may meet a node that is gone, until the balancer knows.
MOST_TRIES = 50


class Caller:
    """One connection to a host, made anew when it is lost."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.connection = http.client.HTTPConnection(host, 8700, timeout=30)

    def ask(
        self, method: str, path: str, bearer: str, body: Any = None, more: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"} | (more or {})
        text = None if body is None else json.dumps(body)
        try:
            self.connection.request(method, path, text, headers)
            answer = self.connection.getresponse()
            read = answer.read()
        except (http.client.HTTPException, OSError):
            self.connection.close()
            raise
        is_json = answer.getheader("content-type", "").startswith("application/json")
        return answer.status, json.loads(read) if is_json else read


class App:
    """An app with one agent, as the service knows it."""

    def __init__(self, host: str, operator: str) -> None:
        caller = Caller(host)
        scopes = [{"name": SCOPE, "description": "see your orders"}]
        # the load is of one agent, so the limits that protect people from it are off
        limits = {"rate_limit": {"per_key_per_second": None, "per_connection_per_second": None}}
        app = {"name": "Shop", "scopes": scopes, "settings": limits}
        made = self.must(caller.ask("POST", "/v1/operator/apps", operator, app), 201)
        self.id, self.operator = made["app_id"], operator
        path = f"/v1/operator/apps/{self.id}/api-keys"
        made = self.must(caller.ask("POST", path, operator, {"environment": "test"}), 201)
        self.key = made["api_key"]
        self.connection, self.token = self.connect(caller)

    @staticmethod
    def must(answered: tuple[int, Any], status: int) -> Any:
        assert answered[0] == status, answered
        return answered[1]

    def connect(self, caller: Caller) -> tuple[str, str]:
        body = {"user_id": "ann", "scopes": [SCOPE]}
        issued = self.must(caller.ask("POST", f"/v1/apps/{self.id}/token", self.key, body), 201)
        body = {"token": issued["token"]}
        exchanged = self.must(caller.ask("POST", "/v1/token/exchange", self.key, body), 200)
        return issued["connection_id"], exchanged["access_token"]

    def verify(self, caller: Caller, token: str, more: dict[str, str] | None = None) -> int:
        body = {"token": token, "scope_used": SCOPE}
        return caller.ask("POST", "/v1/verify", self.key, body, more)[0]


class Load:
    """Verifies without pause through the balancer, over eight connections, until it is left."""

    def __init__(self, app: App) -> None:
        self.app, self.over = app, threading.Event()
        self.seen: Counter[str] = Counter()
        self.threads = [threading.Thread(target=self.run) for _ in range(8)]

    def run(self) -> None:
        caller = Caller("balancer")
        while not self.over.is_set():
            try:
                self.seen[str(self.verify(caller))] += 1
            except (http.client.HTTPException, OSError) as error:
                self.seen[type(error).__name__] += 1

    def verify(self, caller: Caller) -> int:
        """As the SDKs do: once more, at once, where a connection ended without a word (PROTOCOL, Retry rules).

        The balancer closes its end of an idle connection too, and the same race is there (RFC 9112, section 9.5).
        """
        try:
            return self.app.verify(caller, self.app.token)
        except (http.client.RemoteDisconnected, ConnectionResetError):
            return self.app.verify(caller, self.app.token)

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        self.has_gone_on(200)
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def has_gone_on(self, calls: int) -> None:
        """Waits for so many more answers of 200."""
        wanted = self.seen["200"] + calls
        eventually(f"{wanted} calls are answered: {self.seen}", lambda: self.seen["200"] >= wanted)

    def others(self) -> dict[str, int]:
        return {what: count for what, count in self.seen.items() if what != "200"}


class Play:
    def __init__(self, project: Project) -> None:
        self.project = project
        self.nodes = [project.containers["node-1"], project.containers["node-2"]]

    def first_operator(self) -> str:
        """As the head of the compose file says, again as long as it could not be done (exit code 3)."""
        tries = []

        def is_made() -> bool:
            tries.append(self.nodes[0].execute(["agentadmit", "operator", "create", "--json"]))
            assert tries[-1].returncode in (0, 3), tries[-1].stdout + tries[-1].stderr
            return tries[-1].returncode == 0

        eventually("the first operator is made", is_made)
        token: str = json.loads(tries[-1].stdout)["operator_token"]
        if len(tries) > 1:
            print(f"        made at the {len(tries)}. try, after {tries[0].stdout!r}")
        return token

    def scene_the_services_come_up_and_the_first_operator_is_made(self) -> None:
        self.project.up()
        eventually("the balancer answers", self.balancer_answers)
        self.app = App("balancer", self.first_operator())

    def balancer_answers(self) -> bool:
        assert self.project.containers["balancer"].is_healthy()
        try:
            return Caller("balancer").ask("GET", "/readyz", "")[0] == 200
        except (http.client.HTTPException, OSError):
            return False

    def scene_an_agent_is_let_in_by_each_node(self) -> None:
        for host in ["balancer", "node-1", "node-2"]:
            assert self.app.verify(Caller(host), self.app.token) == 200

    def scene_what_one_node_revokes_the_other_refuses(self) -> None:
        connection, token = self.app.connect(Caller("node-1"))
        assert self.app.verify(Caller("node-2"), token) == 200
        body = {"connection_id": connection}
        assert Caller("node-1").ask("POST", "/v1/revoke", self.app.key, body)[0] == 200
        assert self.app.verify(Caller("node-2"), token) == 403

    def scene_a_rolling_restart_under_load_is_felt_by_nobody(self) -> None:
        with Load(self.app) as load:
            for node in self.nodes:
                assert node.stop() == 0, node.log()
                load.has_gone_on(500)
                node.start()
                node.wait_until_healthy()
                self.wait_for_balancer(node)
        assert not load.others(), load.others()

    def wait_for_balancer(self, node: Container) -> None:
        """Until calls through the balancer reach it: it counts what it answers."""

        def answered() -> int:
            _, text = Caller(node.name).ask("GET", "/metrics", self.app.operator)
            lines = [line for line in text.decode().splitlines() if "admission_calls_total" in line]
            return sum(int(float(line.rpartition(" ")[2])) for line in lines if line[0] != "#")

        before = answered()
        eventually(f"the balancer asks {node.name}", lambda: answered() > before + 20)

    def scene_a_killed_node_is_left_out_and_comes_back(self) -> None:
        node = self.nodes[0]
        with Load(self.app) as load:
            assert node.process is not None
            node.process.kill()
            node.process.wait()
            load.has_gone_on(500)
            node.start()
            node.wait_until_healthy()
            self.wait_for_balancer(node)
        # what was under way on it is lost, and nothing else: no answer is a wrong one
        lost = {"502", "503", "RemoteDisconnected", "ConnectionResetError"}
        assert set(load.others()) <= lost, load.others()
        assert sum(load.others().values()) <= 8 * MOST_TRIES, load.others()
        print(f"        of {sum(load.seen.values())} calls {sum(load.others().values())} were lost")

    def scene_without_its_database_it_refuses_and_then_goes_on(self) -> None:
        database = self.project.containers["db"]
        assert database.stop() == 0, database.log()
        eventually("the nodes are not ready", lambda: not any(map(Container.is_healthy, self.nodes)))
        status, _ = Caller("balancer").ask("GET", "/readyz", "")
        assert status == 503
        database.start()
        for container in [database, *self.nodes]:
            container.wait_until_healthy()
        eventually("the balancer answers", self.balancer_answers)
        assert self.app.verify(Caller("balancer"), self.app.token) == 200


def main() -> int:
    key = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
    variables = {"AGENTADMIT_SECRET_KEY": key, "POSTGRES_PASSWORD": os.urandom(16).hex()}
    failed, scenes = 0, [name for name in vars(Play) if name.startswith("scene_")]
    played = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        project = Project(Path(folder), Path(sys.argv[1]).resolve(), variables)
        play = Play(project)
        try:
            for scene in scenes:
                getattr(play, scene)()
                played += 1
                print(f"passed  {scene.removeprefix('scene_').replace('_', ' ')}", flush=True)
        except (AssertionError, OSError, http.client.HTTPException) as error:
            failed = 1
            print(f"failed  {scenes[played].removeprefix('scene_').replace('_', ' ')}: {error!r}")
            for container in project.containers.values():
                print(f"-- {container.name}\n{container.log() if container.process else ''}")
    print(f"{played} passed, {failed} failed, {len(scenes) - played - failed} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
