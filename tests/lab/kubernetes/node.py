"""The cluster's one node: a Docker engine of its own, and a kubelet.

Both run in a mount namespace that the keeper has made: what they mount, and what the kubelet writes to fixed places of
the machine, is seen by nobody else and gone with the last process in it.
"""

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

from tests.lab.docker import DockerEngine, require_programs
from tests.lab.images import SLEEP, build_image, load_image
from tests.lab.kubernetes.control_plane import BINARIES, require_binaries
from tests.lab.room import LabUnavailableError, Room, free_port, start_process

NEEDED = {"conntrack": "conntrack", "socat": "socat", "runc": "runc"}
NODE = "node1"
PAUSE = "uptainer.lab/pause:1"
"""Never pulled: the engine has it before the first pod comes."""

MOST_PODS = 250
FIXED_PLACES = ("/var/lib", "/var/log")
"""Where the kubelet writes whatever it is told."""

TUNABLES = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
"""The machine's settings that the kubelet changes at its start: it is given files of its own in their place."""

_CAP_SYS_RESOURCE = 24


class Node:
    def __init__(self, room: Room, kubeconfig: Path) -> None:
        require_programs(NEEDED)
        require_binaries()
        self.directory = room.directory("kubelet")
        self.engine = NodeEngine(room)
        self._process: subprocess.Popen[bytes] | None = None
        load_image(self.engine, PAUSE, build_image(cmd=SLEEP))
        command = _kubelet(self.directory, kubeconfig, self.engine)
        self._process = start_process(command, log=self.directory / "kubelet.log")

    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def check(self) -> None:
        """Raises: LabUnavailableError, when the kubelet has ended."""
        if not self.runs():
            lines = (self.directory / "kubelet.log").read_text(errors="replace").splitlines()
            raise LabUnavailableError(f"the kubelet ended: {' | '.join(lines[-3:])}")

    def close(self) -> None:
        """The kubelet first: it would start again what the engine is cleared of."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)
        self.engine.close()


class NodeEngine(DockerEngine):
    def _write_config(self) -> Path:
        """Pods ask for an `oom_score_adj` that only CAP_SYS_RESOURCE may give; without it, theirs is left at 0."""
        path = super()._write_config()
        if not may_raise_limits():
            wrapper = self.directory / "runc-without-oom-score"
            wrapper.write_text(_WRAPPER.format(runc=shlex.quote(shutil.which("runc") or "runc")))
            wrapper.chmod(0o755)
            config = json.loads(path.read_text())
            config |= {"runtimes": {"nooom": {"path": str(wrapper)}}, "default-runtime": "nooom"}
            path.write_text(json.dumps(config))
        return path


_WRAPPER = """#!/bin/sh
for part; do
  case "$before" in
    --bundle) file="$part/config.json" ;;
    --process) file="$part" ;;
    *) file="" ;;
  esac
  [ -f "$file" ] && sed -i -E 's/"oomScoreAdj":-[0-9]+/"oomScoreAdj":0/' "$file"
  before="$part"
done
exec {runc} "$@"
"""


def may_raise_limits() -> bool:
    lines = Path("/proc/self/status").read_text().splitlines()
    held = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    return bool(held >> _CAP_SYS_RESOURCE & 1)


def furnish(room: Room) -> None:
    """Give this mount namespace places of its own for what is written there.

    Raises: LabUnavailableError.
    """
    for place in FIXED_PLACES:
        _mount("--bind", str(room.directory("fixed")), place)
    tunables = room.directory("tunables")
    for name in TUNABLES:
        setting = Path("/proc/sys") / name
        if setting.exists():
            own = tunables / name.replace("/", ".")
            own.write_bytes(setting.read_bytes())
            _mount("--bind", str(own), str(setting))


def _mount(*arguments: str) -> None:
    ran = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True, timeout=10)
    if ran.returncode != 0:
        raise LabUnavailableError(f"no place of its own for a kubelet: {ran.stderr.strip()}")


def _kubelet(directory: Path, kubeconfig: Path, engine: DockerEngine) -> list[str]:
    """`--cgroups-per-qos=false` keeps it out of the machine's cgroups, and the engine's are used."""
    address = engine.gateway
    return [
        str(BINARIES / "kubelet"),
        *("--kubeconfig", str(kubeconfig), "--hostname-override", NODE, "--node-ip", address),
        *("--address", address, "--port", str(free_port()), "--read-only-port", "0", "--healthz-port", "0"),
        *("--container-runtime", "docker", "--docker-endpoint", engine.url),
        *("--container-runtime-endpoint", f"unix://{directory}/dockershim.sock"),
        *("--experimental-dockershim-root-directory", f"{directory}/dockershim"),
        *("--pod-infra-container-image", PAUSE, "--serialize-image-pulls=false"),
        *("--root-dir", f"{directory}/root", "--cert-dir", f"{directory}/pki"),
        *("--volume-plugin-dir", f"{directory}/plugins", "--resolv-conf", os.devnull),
        *("--cluster-dns", address, "--cluster-domain", "cluster.local"),
        *("--cgroup-driver", "cgroupfs", "--cgroups-per-qos=false", "--enforce-node-allocatable="),
        *("--fail-swap-on=false", "--make-iptables-util-chains=false"),
        *("--eviction-hard", "memory.available<10Mi", "--image-gc-high-threshold", "100"),
        *("--max-pods", str(MOST_PODS), "--registry-qps", "0", "--event-qps", "0"),
        *("--kube-api-qps", "50", "--kube-api-burst", "100", "--node-status-update-frequency", "2s"),
    ]
