"""The command of the wheel, as a process: what people type."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from agentadmit import AgentAdmit

SCRIPT = [str(Path(sysconfig.get_path("scripts")) / "agentadmit")]
MODULE = [sys.executable, "-W", "error", "-m", "agentadmit"]


def command(*arguments: str, folder: Path, form: list[str] = MODULE) -> str:
    done = subprocess.run(
        [*form, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.parametrize("form", [SCRIPT, MODULE], ids=["script", "module"])
def test_it_is_there(form: list[str], tmp_path: Path) -> None:
    assert command("--version", folder=tmp_path, form=form).startswith("agentadmit ")
    assert "serve" in command("--help", folder=tmp_path, form=form)


def test_exit_codes_are_the_programs_own(tmp_path: Path) -> None:
    for arguments, code in ((["no-such-command"], 2), (["check", "--json"], 2)):
        done = subprocess.run(
            [*MODULE, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr


def test_init_and_check(tmp_path: Path) -> None:
    command("init", folder=tmp_path)
    assert (tmp_path / "agentadmit.yaml").is_file()
    command("check", folder=tmp_path)


@pytest.mark.slow
def test_the_demo_plays_through(tmp_path: Path) -> None:
    transcript = json.loads(command("demo", "--once", "--json", folder=tmp_path))
    assert transcript["steps"]


def _serve(folder: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [*MODULE, "serve", "--listen", "127.0.0.1:0", "--store", "sqlite:store.db"],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    for line in process.stderr:
        if line.startswith("listening on "):
            return process, line.split()[2]
    raise AssertionError("it did not listen")


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_serve_drains_and_ends_with_0(end: signal.Signals, tmp_path: Path) -> None:
    process, _ = _serve(tmp_path)
    with process:
        process.send_signal(end)
        assert process.wait(timeout=60) == 0


def test_a_ctrl_c_ends_a_command_that_waits(tmp_path: Path) -> None:
    reads, writes = os.pipe()
    with os.fdopen(writes, "wb"), os.fdopen(reads, "rb") as stdin:
        # waits for its standard input
        process = subprocess.Popen(
            [*MODULE, "apps", "create", "--store", "sqlite:s.db", "--name", "A", "--scopes", "-"],
            cwd=tmp_path,
            stdin=stdin,
            stderr=subprocess.DEVNULL,
        )
        with process:
            while not Path(f"/proc/{process.pid}/task").exists():
                pass
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) in (-signal.SIGINT, 128 + signal.SIGINT, 2)


def test_dev_runs_an_app_that_asks(tmp_path: Path) -> None:
    command("init", folder=tmp_path)
    program = """if True:
        import os
        from agentadmit import AgentAdmit
        client = AgentAdmit()
        print(client.settings.service_url == os.environ["AGENTADMIT_SERVICE_URL"] + "/")
        print(client.scopes().environment)
    """
    said = command(
        "dev", "--listen", "127.0.0.1:0", "--", sys.executable, "-c", program, folder=tmp_path
    )
    assert said == "True\ntest\n"
    # an SDK beside it finds the key that `dev` left, for a service of this machine alone
    assert AgentAdmit(tmp_path / "agentadmit.yaml").settings.environment == "test"
