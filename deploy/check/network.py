"""Hosts of their own on one machine: a network namespace for each, on one bridge.

Meant to run in namespaces of its own, whose end ends everything in them.
"""

import os
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path


def shell(script: str) -> str:
    done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True)
    assert done.returncode == 0, f"{script}: {done.stderr}"
    return done.stdout.strip()


@dataclass(frozen=True)
class Host:
    """One of them: a name that all others know."""

    name: str
    address: str
    is_root: bool

    def command(self, command: list[str], user: str | None, read_only: bool) -> list[str]:
        """`command` as it runs on this host, as `user` (`UID:GID`) where this process may be anybody."""
        inside = ["nsenter", f"--net=/run/netns/{self.name}"]
        if read_only:
            mount = 'mount -o remount,bind,ro / && exec "$@"'
            inside += ["unshare", "--mount", "sh", "-ec", mount, "sh"]
        if user and self.is_root:
            uid, _, gid = user.partition(":")
            inside += ["setpriv", f"--reuid={uid}", f"--regid={gid or uid}", "--clear-groups"]
            inside += ["--bounding-set=-all", "--no-new-privs"]
        return [*inside, *command]


class Network:
    """The bridge, whose first address is this machine's."""

    def __init__(self, subnet: str, names: list[str], folder: Path) -> None:
        addresses = [str(address) for address in list(IPv4Network(subnet).hosts())[: len(names) + 1]]
        self.own = addresses[0]
        length = subnet.rpartition("/")[2]
        shell(
            "mount -t tmpfs tmpfs /run && ip link set lo up && ip link add bridge type bridge && "
            f"ip addr add {self.own}/{length} dev bridge && ip link set bridge up"
        )
        self.hosts: dict[str, Host] = {}
        for name, address in zip(names, addresses[1:], strict=True):
            # the names of devices are short
            device = f"to{len(self.hosts)}"
            shell(
                f"ip netns add {name} && "
                f"ip link add {device} type veth peer name eth0 netns {name} && "
                f"ip link set {device} master bridge up && "
                f"nsenter --net=/run/netns/{name} sh -ec '"
                f"ip link set lo up; ip addr add {address}/{length} dev eth0; ip link set eth0 up'"
            )
            self.hosts[name] = Host(name, address, os.geteuid() == 0)
        known = ["127.0.0.1 localhost", *(f"{host.address} {host.name}" for host in self.hosts.values())]
        hosts = folder / "hosts"
        hosts.write_text("\n".join(known) + "\n")
        hosts.chmod(0o644)
        shell(f"mount --bind {hosts} /etc/hosts")
