"""For every create option: a container made with it and updated is the same container but for ids, times and image.

Compared is what Podman shows of it, and the whole OCI configuration that it gives to the runtime: secrets, sysctls,
devices and mounts stand there also where Podman does not show them.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.images import make_image
from tests.lab.podman import PodmanEngine
from tests.lab.registry import Registry
from tests.lab.replacing import LOOPBACK, make_podman_network, perform_all, request_for
from tests.lab.room import Room
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.connections import connect
from uptainer.runtimes.port import Runtime

Json = dict[str, Any]

IMAGE: dict[str, Any] = {
    "env": {"IMAGE_SAYS": "hello", "MODE": "image"},
    "files": {"/seed/file": "from the image", "/etc/hosts": ""},
    "healthcheck": {"Test": ["CMD", "/bin/true"], "Interval": 60_000_000_000, "Retries": 2},
    "config": {
        "Volumes": {"/declared": {}},
        "ExposedPorts": {"8080/tcp": {}},
        "StopSignal": "SIGTERM",
        "WorkingDir": "/root",
    },
}
LONG_RUN = "/bin/sh -c \"trap 'exit 0' TERM INT USR1; while :; do sleep 1 & wait $!; done\""

OPTIONS = """
nothing at all
environment             | --env A=1 --env B= --env MODE=user --env HOME=/elsewhere --env TERM=dumb --env "SPACED=a b=c" --env "QUOTED='x'"
labels and annotations  | --label a=b --label com.example.empty= --label build=mine --annotation com.example/a=b
names and terminal      | --hostname web.example --workdir /tmp --tty --interactive
user and groups         | --user 65534:65534 --group-add 10
user by name            | --user nobody
stop signal and timeout | --stop-signal SIGUSR1 --stop-timeout 3
no health check         | --no-healthcheck
health check            | --health-cmd /bin/true --health-interval 30s --health-retries 4 --health-timeout 2s
health action           | --health-cmd /bin/true --health-on-failure kill --restart always
health of the image     | --health-on-failure stop
restart unless stopped  | --restart unless-stopped
restart on failure      | --restart on-failure:5
time zone and limits    | --tz Europe/Berlin --umask 0077 --timeout 3000
systemd mode            | --systemd always
no systemd mode         | --systemd false
sd_notify               | --sdnotify ignore
memory and swap         | --memory 64m --memory-swap 128m --memory-reservation 32m --memory-swappiness 0
cpus and pids           | --cpus 0.5 --pids-limit 50 --oom-score-adj 100
cpu shares and set      | --cpu-shares 512 --cpuset-cpus 0 --cpuset-mems 0
block device limits     | --device-read-bps /dev/vda:1mb --device-write-iops /dev/vda:100
ulimits                 | --ulimit nofile=512:1024 --ulimit nproc=100:200
shared memory           | --shm-size 32m
capabilities            | --cap-drop ALL --cap-add CHOWN --cap-add NET_ADMIN,SYS_TIME
privileged              | --privileged
no new privileges       | --security-opt no-new-privileges
seccomp off             | --security-opt seccomp=unconfined
seccomp profile         | --security-opt seccomp={seccomp}
masked and unmasked     | --security-opt mask=/proc/uptime --security-opt unmask=/proc/kcore
label disabled          | --security-opt label=disable
device                  | --device /dev/null:/dev/nothing:r
device rule             | --device-cgroup-rule "c 1:3 rwm"
sysctl                  | --sysctl net.core.somaxconn=300 --sysctl net.ipv4.ip_unprivileged_port_start=80
secrets                 | --secret token --secret other,type=env
secret placed           | --secret token,target=/etc/token,mode=0400,uid=5
secret as variable      | --secret token,type=env,target=TOKEN
secret, name behind     | --secret type=env,source=token,target=TOKEN
user namespace          | --uidmap 0:200000:5000
both id mappings        | --uidmap 0:200000:5000 --gidmap 0:300000:6000
host user namespace     | --userns host
read-only root          | --read-only --read-only-tmpfs=false --tmpfs /scratch:rw,size=1m,mode=1777
tmpfs as mount          | --mount type=tmpfs,target=/scratch,tmpfs-size=1048576,tmpfs-mode=1770
init                    | --init
host namespaces         | --ipc host --pid host --uts host --cgroupns private --cgroups no-conmon
shareable IPC           | --ipc shareable
container's IPC and PIDs| --ipc container:provider --pid container:provider
requires                | --requires provider
log size                | --log-driver k8s-file --log-opt max-size=1m
log none                | --log-driver none
command                 | CMD {long}
entrypoint              | --entrypoint /bin/busybox CMD sleep 1000
entrypoint list         | --entrypoint '["/bin/sh", "-c", "sleep 1000 # a b"]'
entrypoint emptied      | --entrypoint "" CMD {long}
ports                   | --publish {loopback}:18461:80 --publish {loopback}:18473:53/udp --expose 9000/udp
port range              | --publish {loopback}:18471-18472:80-81
port chosen by Podman   | --publish {loopback}::80
DNS and hosts           | --dns 10.0.0.1 --dns-search example.org --dns-option ndots:2 --add-host db.example:10.1.1.1 --add-host b:10.1.1.2
no hosts file           | --no-hosts
no network              | --network none
host network            | --network host
network                 | --network front --network-alias web --network-alias www
static address          | --network front --ip {front}.77 --mac-address 92:d0:c6:0a:29:33
network by long form    | --network front:ip={front}.78,alias=one,interface_name=lan0
two networks            | --network front:alias=f --network back:alias=b
address on the default  | --ip {default_ip}
container's network     | --network container:provider
slirp4netns             | --network slirp4netns:allow_host_loopback=true
bind                    | --volume {folder}:/bound
bind read-only          | --volume {folder}:/bound:ro,rslave
bind as mount           | --mount type=bind,source={folder},target=/bound,bind-propagation=rprivate,readonly
bind of a file          | --volume {folder}/file:/etc/bound.conf:ro
named volume            | --volume named:/seed
named volume, nocopy    | --volume named:/seed:nocopy,ro
unnamed volume          | --volume /unnamed
volume as mount         | --mount type=volume,source=named,target=/seed
volumes from            | --volumes-from provider
image volumes ignored   | --image-volume ignore
image volumes in memory | --image-volume tmpfs
hardened                | --read-only --cap-drop ALL --security-opt no-new-privileges --user 65534 --pids-limit 20 --network none
database                | --volume /unnamed --volume named:/seed --shm-size 96m --network front --ip {front}.79 --hostname db --secret token
autoupdate              | --label io.containers.autoupdate=registry --restart always --publish {loopback}:18481:8080
"""

_TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
_RUN_PARTS = ("overlay-containers/", "/netns/")


@dataclass(frozen=True, slots=True)
class Ground:
    engine: PodmanEngine
    runtime: Runtime
    places: dict[str, str]
    old: str
    new: str
    new_digest: str


@pytest.fixture(scope="module")
def ground(
    podman_engine: PodmanEngine, registry: Registry, room: Room, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    """Two images that differ in a label, and the networks, volumes and containers that options refer to."""
    podman_engine.clear()
    old, new = registry.reference("podopt/app:1.0.0"), registry.reference("podopt/app:1.0.1")
    make_image(podman_engine, old, labels={"build": "1"}, **IMAGE)
    digest = make_image(podman_engine, new, labels={"build": "2"}, pull=False, **IMAGE)
    folder = tmp_path_factory.mktemp("options")
    _furnish(podman_engine, old, folder)
    address = HostAddress("lab", RuntimeType.PODMAN, ConnectionType.UNIX, podman_engine.url)
    with connect(address) as runtime:
        yield Ground(podman_engine, runtime, _places(podman_engine, room, folder), old, new, digest)
    podman_engine.clear()


def _furnish(engine: PodmanEngine, image: str, folder: Path) -> None:
    for number, name in enumerate(("front", "back")):
        make_podman_network(engine, name, part=number)
    engine.podman("volume", "create", "named")
    (folder / "secret").write_text("s3cret")
    for name in ("token", "other"):
        engine.podman("secret", "create", name, str(folder / "secret"))
    engine.podman(*f"run -d --name provider --ipc shareable -v /provided {image}".split())


def _places(engine: PodmanEngine, room: Room, folder: Path) -> dict[str, str]:
    (folder / "bound").mkdir()
    (folder / "bound" / "file").write_text("bound")
    seccomp = folder / "seccomp.json"
    seccomp.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}))
    network = json.loads(engine.podman("network", "inspect", engine.default_network))[0]
    return {
        "loopback": LOOPBACK,
        "folder": str(folder / "bound"),
        "seccomp": str(seccomp),
        "long": LONG_RUN,
        "front": room.part(0),
        "default_ip": network["subnets"][0]["subnet"].replace(".0/24", ".77"),
    }


def _rows() -> list[tuple[str, str]]:
    split = (line.partition("|") for line in OPTIONS.strip().splitlines())
    return [(name.strip(), options.strip()) for name, _, options in split]


ROWS = _rows()


@pytest.mark.parametrize(("name", "options"), ROWS, ids=[name for name, _ in ROWS])
def test_an_update_keeps_what_the_option_asked_for(ground: Ground, name: str, options: str) -> None:
    del name
    for place, value in ground.places.items():
        options = options.replace(f"{{{place}}}", value)
    settings, _, command = options.partition("CMD ")
    ground.engine.podman(
        "run", "--detach", "--name", "web", *shlex.split(settings), ground.old, *shlex.split(command)
    )
    try:
        before = _shown(ground)
        perform_all(ground.runtime, request_for("web", ground.new, ground.new_digest))
        after = _shown(ground)
        assert after["Config"]["Labels"].get("build") in ("2", "mine")
        for shown in (before, after):
            shown["Config"]["Labels"].pop("build", None)
        assert dict(_differences(before, after)) == {}
    finally:
        ground.engine.ask(
            "DELETE", "/v4.0.0/libpod/containers/web", params={"force": "true", "v": "true", "timeout": "0"}
        )


def _differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}):
            yield from _differences(before.get(name), after.get(name), f"{path}/{name}")
    elif before != after:
        yield path, (before, after)


def _shown(ground: Ground) -> Json:
    inspected = dict(ground.runtime.inspect("web"))
    runtime_configuration = json.loads(Path(inspected["OCIConfigPath"]).read_text())
    whole = _plain({**inspected, "OCI": runtime_configuration}, inspected)
    return _comparable(whole)


def _plain(value: Any, inspected: Mapping[str, Any]) -> Any:
    """Ids, times and the image's name replaced wherever they stand."""
    text = json.dumps(value)
    own = (inspected["Id"], inspected["Id"][:12], inspected["Image"], inspected["ImageDigest"])
    for part in own:
        text = text.replace(part, "<id>")
    text = re.sub(r"podopt/app:1\.0\.[01]", "podopt/app", text)
    text = re.sub(r"netns-[0-9a-f-]+", "netns", text)
    text = re.sub(r"/overlay/[0-9a-z]+/", "/overlay/", text)
    return json.loads(_TIMES.sub("<time>", text))


_STATIC = re.compile(r"\.7[789](,|$)")
_ASSIGNED = ("IPAddress", "MacAddress", "GlobalIPv6Address", "Gateway", "SandboxKey", "IPPrefixLen")


def _comparable(shown: Json) -> Json:
    """Without what Podman chooses at each start: addresses that were not asked for stand in no option's row."""
    for name in ("Created", "GraphDriver", "ConmonPidFile", "Driver", "ImageDigest"):
        shown.pop(name, None)
    state = shown["State"]
    shown["State"] = {"Status": state["Status"]}
    settings = shown["NetworkSettings"]
    static = [word for word in shown["Config"]["CreateCommand"] if _STATIC.search(word)]
    given = (
        ("SandboxKey",)
        if "--mac-address" in shown["Config"]["CreateCommand"]
        else ("SandboxKey", "MacAddress")
    )
    for endpoint in (settings, *(settings.get("Networks") or {}).values()):
        for name in _ASSIGNED if not static else given:
            endpoint.pop(name, None)
        if endpoint.get("Aliases"):
            endpoint["Aliases"] = sorted(endpoint["Aliases"])
    shown["Mounts"] = sorted(shown["Mounts"], key=lambda mount: str(mount["Destination"]))
    shown["HostConfig"]["Binds"] = sorted(shown["HostConfig"]["Binds"])
    for one in (shown["Config"], shown["OCI"]["process"]):
        key = "Env" if "Env" in one else "env"
        one[key] = sorted(each for each in one[key] if not each.startswith("container_uuid="))
    shown["OCI"].pop("root", None)
    shown["OCI"]["mounts"].sort(key=lambda mount: str(mount["destination"]))
    return shown
