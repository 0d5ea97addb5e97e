"""Install the Debian packages that the tests' engines come from: the missing ones, where this user may.

It never fails: what is still missing is named by the tests that are left out for it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from pathlib import Path

PACKAGES = {
    "dockerd": "docker.io",
    "iptables": "iptables",
    "ip": "iproute2",
    "busybox": "busybox-static",
    "podman": "podman",
    "catatonit": "catatonit",
    "aardvark-dns": "aardvark-dns",
    "netavark": "netavark",
    "newuidmap": "uidmap",
    "slirp4netns": "slirp4netns",
    "fuse-overlayfs": "fuse-overlayfs",
    "docker-registry": "docker-registry",
    "skopeo": "skopeo",
    "age": "age",
    "ssh": "openssh-client",
    "sshd": "openssh-server",
    "chromium": "chromium",
    "ps": "procps",
    "git": "git",
    "curl": "curl",
    "jq": "jq",
    "etcd": "etcd-server",
    "conntrack": "conntrack",
    "socat": "socat",
}
"""Which package has which program."""

FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/lib/podman")
"""Where programs lie that a normal user's PATH does not name."""

LIBATOMIC = "libatomic1"
"""The program that drives the browser is linked to it, and nothing else on a bare Debian is."""

POLICY = Path("/usr/sbin/policy-rc.d")

KUBERNETES = Path(__file__).with_name("build_kubernetes.py")
"""There is no package of it: it is built, once, when its own packages are there."""


def main() -> None:
    lacks_kubernetes = subprocess.run([sys.executable, KUBERNETES, "--is-built"], check=False).returncode != 0
    packages = missing()
    if lacks_kubernetes:
        needs = subprocess.run(
            [sys.executable, KUBERNETES, "--needs"], check=True, capture_output=True, text=True
        )
        packages = sorted({*packages, *needs.stdout.split()})
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        left_out = [*packages, *(["Kubernetes"] if lacks_kubernetes else [])]
        if left_out:
            say(f"not installed, for only root can on a Debian: {' '.join(left_out)}")
        return
    if packages:
        say(f"installing {' '.join(packages)}")
        failure = install(packages)
        if failure:
            say(f"apt-get could not: {failure}")
    if lacks_kubernetes:
        say("building Kubernetes, this once; it takes some minutes")
        subprocess.run([sys.executable, KUBERNETES], check=False)


def missing() -> list[str]:
    path = os.pathsep.join((os.environ.get("PATH", ""), *FOLDERS))
    absent = {package for program, package in PACKAGES.items() if not shutil.which(program, path=path)}
    return sorted(absent if find_library("atomic") else absent | {LIBATOMIC})


def install(packages: list[str]) -> str:
    """Returns the last line that apt-get said where it failed, else ""."""
    with no_services_started():
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            ran = subprocess.run(
                ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", *command],
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                check=False,
                capture_output=True,
                text=True,
            )
            if ran.returncode != 0:
                return (ran.stderr or ran.stdout).strip().rpartition("\n")[2] or f"status {ran.returncode}"
    return ""


@contextmanager
def no_services_started() -> Iterator[None]:
    """The tests start engines of their own: the packages' services shall not run beside them.

    Source: https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt.
    """
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def say(line: str) -> None:
    print(f"lab: {line}", file=sys.stderr)


if __name__ == "__main__":
    main()
