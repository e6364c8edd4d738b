"""The deployment files, without running them: schemas, and that they say the same as each other.

Prints a line for each check and ends with the counts. Needs PyYAML and kubernetes-validate.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parent.parent
COMPOSE = DEPLOY / "compose/compose.yaml"
NEVER_RUN = re.compile(r"never (started|run|applied|built)", re.IGNORECASE)


def dockerfile() -> dict[str, Any]:
    """The last stage of the Dockerfile, by its instructions; those in JSON form are read."""
    text = (DEPLOY / "container/Dockerfile").read_text().replace("\\\n", " ")
    stage: dict[str, Any] = {"env": {}}
    for line in text.splitlines():
        instruction, _, rest = line.strip().partition(" ")
        match instruction:
            case "FROM":
                stage = {"env": {}}
            case "ENV":
                name, _, value = rest.partition("=")
                stage["env"][name] = value
            case "ENTRYPOINT" | "CMD":
                stage[instruction.lower()] = json.loads(rest)
            case "HEALTHCHECK":
                stage["healthcheck"] = json.loads(rest[rest.index("[") :])
            case "USER":
                stage["user"] = rest
            case "EXPOSE":
                stage["port"] = int(rest)
    return stage


def compose() -> dict[str, Any]:
    """The compose file, its variables left as they are."""
    read: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return read


def check_compose_is_of_the_schema() -> None:
    run(["check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)])


def check_kubernetes_is_of_the_schemas() -> None:
    run(["kubernetes-validate", "--strict", str(DEPLOY / "kubernetes/agentadmit.yaml")])


def check_kubernetes_runs_what_the_image_runs() -> None:
    documents = yaml.safe_load_all((DEPLOY / "kubernetes/agentadmit.yaml").read_text())
    by_kind = {document["kind"]: document for document in documents}
    pod = by_kind["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    image = dockerfile()
    assert container["args"] == image["cmd"]
    assert container["ports"][0]["containerPort"] == image["port"]
    context = pod["securityContext"]
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == image["user"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    # as the compose file does, which is run; addresses and networks are each one's own
    node = compose()["services"]["node-1"]["environment"]
    told = {entry["name"] for entry in container["env"]}
    secret = {"AGENTADMIT_STORE", "AGENTADMIT_SECRET_KEY"}
    assert told | secret == set(node), (told, set(node))


def check_the_unit_is_what_systemd_takes() -> None:
    if not shutil.which("systemd-analyze"):
        raise Left("there is no systemd-analyze")
    unit = DEPLOY / "systemd/agentadmit.service"
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    # the program is not installed where this is checked
    missing = re.compile(r"Command /usr/local/bin/agentadmit is not executable")
    said = [line for line in done.stderr.splitlines() if line and not missing.search(line)]
    assert not said, said
    offline = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(unit)]
    run(offline)


def check_each_file_says_what_was_never_run() -> None:
    for file in ["systemd/agentadmit.service", "container/Dockerfile", "compose/compose.yaml"]:
        assert NEVER_RUN.search((DEPLOY / file).read_text()), file
    assert NEVER_RUN.search((DEPLOY / "kubernetes/agentadmit.yaml").read_text())


class Left(Exception):
    """A check that cannot be made here, and why."""


def run(command: list[str]) -> None:
    programs = Path(sys.executable).parent
    own = programs / command[0]
    command = [str(own) if own.exists() else command[0], *command[1:]]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def main() -> int:
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name, check in list(globals().items()):
        if not name.startswith("check_"):
            continue
        try:
            check()
            came, why = "passed", ""
        except Left as left:
            came, why = "skipped", f": {left}"
        except (AssertionError, KeyError, ValueError, OSError) as error:
            came, why = "failed", f": {error!r}"
        counts[came] += 1
        print(f"{came:<8}{name.removeprefix('check_').replace('_', ' ')}{why}")
    print(", ".join(f"{count} {came}" for came, count in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
