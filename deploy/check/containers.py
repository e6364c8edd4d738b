"""The services of the compose file as processes: same commands, users, environment, health checks."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from files import COMPOSE, compose, dockerfile
from network import Host, Network

# How long something may take that has to happen.
PATIENCE = 180.0
# Of the two images that are not ours: who runs their programs, and the signal that ends them.
POSTGRES_USER, HAPROXY_USER = "postgres", "99:99"
AS_POSTGRES = ["setpriv", f"--reuid={POSTGRES_USER}", f"--regid={POSTGRES_USER}", "--init-groups"]
STOP_SIGNALS = {"postgres": signal.SIGINT, "haproxy": signal.SIGUSR1}


def eventually(what: str, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"not within {PATIENCE:.0f} s: {what}"
        time.sleep(0.1)


class Container:
    """A service of the file, as a process on a host of its own."""

    def __init__(self, name: str, service: dict[str, Any], host: Host, folder: Path) -> None:
        self.name, self.service, self.host, self.folder = name, service, host, folder
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        self.environment = {"PATH": os.environ["PATH"]}
        self.user, self.command, self.check = self.image()
        self.environment |= {key: str(value) for key, value in service.get("environment", {}).items()}

    def image(self) -> tuple[str | None, list[str], list[str]]:
        """What the image would have said: user, command, health check."""
        image = self.service["image"]
        check = self.service.get("healthcheck", {}).get("test", ["CMD"])[1:]
        if image == "agentadmit":
            ours = dockerfile()
            self.environment |= ours["env"]
            return ours["user"], ours["entrypoint"] + ours["cmd"], check or ours["healthcheck"]
        if image.startswith("postgres:"):
            return None, self.service["command"], check
        assert image.startswith("haproxy:"), image
        source, target, _ = self.service["volumes"][0].split(":")
        assert target == "/usr/local/etc/haproxy/haproxy.cfg"
        config = (COMPOSE.parent / source).resolve()
        # as the image's own command, in the foreground
        return HAPROXY_USER, ["haproxy", "-W", "-db", "-f", str(config)], check

    def start(self) -> None:
        command, user = list(self.command), self.user
        if self.service["image"].startswith("postgres:"):
            command = self.prepare_postgres(command)
        log = (self.folder / "log").open("ab")
        command = self.host.command(command, user, bool(self.service.get("read_only")))
        self.process = subprocess.Popen(
            command, env=self.environment, stdout=log, stderr=log, cwd="/", stdin=subprocess.DEVNULL
        )

    def prepare_postgres(self, command: list[str]) -> list[str]:
        """What the entry point of PostgreSQL's image does: a cluster with this owner and password."""
        data = self.folder / "data"
        programs = max(Path("/usr/lib/postgresql").iterdir(), key=lambda path: int(path.name)) / "bin"
        self.environment["PATH"] = f"{programs}:{os.environ['PATH']}"
        as_owner = AS_POSTGRES if self.host.is_root else []
        if not data.exists():
            if self.host.is_root:
                shutil.chown(self.folder, POSTGRES_USER, POSTGRES_USER)
            password = self.folder / "password"
            password.write_text(self.environment["POSTGRES_PASSWORD"])
            password.chmod(0o644)
            owner = self.environment["POSTGRES_USER"]
            init = [programs / "initdb", "-D", data, "-U", owner, f"--pwfile={password}"]
            init += ["--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", "--encoding=UTF8"]
            done = subprocess.run([*as_owner, *init], capture_output=True, text=True, cwd="/")
            assert done.returncode == 0, done.stderr
            everybody = "host all all all scram-sha-256\n"
            with (data / "pg_hba.conf").open("a") as file:
                file.write(everybody)
            self.create_database(programs, as_owner, data)
        given = ["-D", str(data), "-k", str(self.folder), "-c", "listen_addresses=*"]
        return [*as_owner, str(programs / command[0]), *given, *command[1:]]

    def create_database(self, programs: Path, as_owner: list[str], data: Path) -> None:
        statement = f"CREATE DATABASE {self.environment['POSTGRES_DB']}"
        single = [programs / "postgres", "--single", "-D", data, "postgres"]
        done = subprocess.run(
            [*as_owner, *single], input=statement, capture_output=True, text=True, cwd="/"
        )
        assert done.returncode == 0, done.stderr

    def execute(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """As `docker compose exec` would: in its network, as its user, with its environment."""
        command = self.host.command(command, self.user, bool(self.service.get("read_only")))
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, cwd="/")

    def is_healthy(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"{self.name} has ended: {self.log()}"
        return not self.check or self.execute(self.check).returncode == 0

    def wait_until_healthy(self) -> None:
        eventually(f"{self.name} is healthy", self.is_healthy)

    def stop(self) -> int:
        """As `docker stop`: the image's signal, and no longer than the file grants."""
        assert self.process is not None
        kind = self.service["image"].partition(":")[0]
        self.process.send_signal(STOP_SIGNALS.get(kind, signal.SIGTERM))
        grace = re.fullmatch(r"(\d+)s", self.service.get("stop_grace_period", "10s"))
        assert grace is not None
        return self.process.wait(float(grace.group(1)))

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]


class Project:
    """All services, each on a host of its own."""

    def __init__(self, folder: Path, binary: Path, variables: dict[str, str]) -> None:
        programs = folder / "bin"
        programs.mkdir()
        # whoever it runs as must be able to read it
        shutil.copy(binary, programs / "agentadmit")
        folder.chmod(0o755)
        os.environ["PATH"] = f"{programs}:/usr/sbin:/sbin:{os.environ['PATH']}"
        read = interpolated(compose(), variables)
        services = read["services"]
        (config,) = read["networks"]["default"]["ipam"]["config"]
        self.network = Network(config["subnet"], list(services), folder)
        hosts = self.network.hosts
        self.containers = {
            name: Container(name, service, hosts[name], folder / name)
            for name, service in services.items()
        }

    def up(self) -> None:
        """As `docker compose up`: each when those that it depends on are healthy."""
        started: set[str] = set()
        while len(started) < len(self.containers):
            for name, container in self.containers.items():
                needs = container.service.get("depends_on", {})
                if name not in started and set(needs) <= started:
                    for need, how in needs.items():
                        assert how == {"condition": "service_healthy"}
                        self.containers[need].wait_until_healthy()
                    container.start()
                    started.add(name)


def interpolated(value: Any, variables: dict[str, str]) -> Any:
    """`${NAME}`, `${NAME-default}`, `${NAME:-default}`, `${NAME:?what to do}`, as compose reads them."""
    if isinstance(value, dict):
        return {key: interpolated(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item, variables) for item in value]
    if not isinstance(value, str):
        return value

    def one(found: re.Match[str]) -> str:
        name, how, rest = found.group(1), found.group(2), found.group(3)
        given = variables.get(name)
        if given or (given is not None and not how.startswith(":")):
            return given
        assert "?" not in how, f"{name}: {rest}"
        return rest

    return re.sub(r"\$\{(\w+)(:?[-?]?)([^}]*)\}", one, value)
