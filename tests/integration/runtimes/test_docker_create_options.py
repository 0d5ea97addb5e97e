"""For every create option: a container made with it and updated is the same container but for ids, times and image."""

import json
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from docker.errors import NotFound

from tests.lab.docker import DockerEngine
from tests.lab.images import make_image
from tests.lab.registry import Registry
from tests.lab.replacing import (
    LOOPBACK,
    comparable,
    make_network,
    open_runtime,
    perform_all,
    request_for,
    run_docker,
)
from tests.lab.room import Room
from uptainer.runtimes.port import Runtime

IMAGE_DEFAULTS: dict[str, Any] = {
    "env": {"IMAGE_SAYS": "hello", "MODE": "image"},
    "files": {"/seed/file": "from the image", "/data/file": "from the image"},
    "config": {
        "Volumes": {"/declared": {}},
        "ExposedPorts": {"8080/tcp": {}},
        "StopSignal": "SIGTERM",
        "WorkingDir": "/root",
        "Shell": ["/bin/sh", "-c"],
    },
}
HEALTHCHECK = {"Test": ["CMD", "/bin/true"], "Interval": 60_000_000_000, "Retries": 2}
LONG_RUN = "/bin/sh -c \"trap 'exit 0' TERM INT USR1; while :; do sleep 1 & wait $!; done\""

NOT_STARTED = "not started"
"""The lab's machine may not give a container all rights, and has not every cgroup: creation is what counts."""

OPTIONS = """
nothing at all
environment             | --env A=1 --env B=
environment overridden  | --env MODE=user --env IMAGE_SAYS
env file like values    | --env "SPACED=a b=c" --env "QUOTED='x'"
labels                  | --label a=b --label com.example.empty=
label over the image's  | --label build=mine
hostname                | --hostname web.example
hostname and domain     | --hostname web --domainname example.org
user                    | --user 65534:65534
user by name            | --user nobody
groups                  | --group-add 10 --group-add 20
working directory       | --workdir /tmp
tty and stdin           | --tty --interactive
attached streams        | --attach stdout --attach stderr
created, not started    | --restart always --network front --publish 80
stop signal             | --stop-signal SIGUSR1
stop timeout            | --stop-timeout 3
no health check         | --no-healthcheck
health check            | --health-cmd /bin/true --health-interval 30s --health-retries 4 --health-timeout 2s
health interval only    | --health-interval 45s
health start period     | --health-cmd /bin/true --health-start-period 5s
restart always          | --restart always
restart unless stopped  | --restart unless-stopped
restart on failure      | --restart on-failure:5
memory                  | --memory 64m --memory-reservation 32m
memory and swap         | --memory 64m --memory-swap 128m
swap without limit      | --memory 64m --memory-swap -1
swappiness              | --memory 64m --memory-swappiness 0
no OOM kill             | --memory 64m --oom-kill-disable
OOM score               | --oom-score-adj 100
cpus                    | --cpus 0.5
cpu shares              | --cpu-shares 512
cpu quota               | --cpu-period 50000 --cpu-quota 25000
cpu set                 | --cpuset-cpus 0 --cpuset-mems 0
pids limit              | --pids-limit 50
block weight            | --blkio-weight 300
block device limits     | --device-read-bps /dev/vda:1mb --device-write-iops /dev/vda:100
ulimits                 | --ulimit nofile=512:1024 --ulimit core=0
shared memory           | --shm-size 32m
capabilities added      | --cap-add NET_ADMIN --cap-add SYS_TIME
capabilities dropped    | --cap-drop ALL --cap-add CHOWN
privileged, not started | --privileged
no new privileges       | --security-opt no-new-privileges
seccomp off             | --security-opt seccomp=unconfined
seccomp inline          | --security-opt seccomp={seccomp}
unmasked system paths   | --security-opt systempaths=unconfined
label disabled          | --security-opt label=disable
device                  | --device /dev/null:/dev/nothing:rw
device rule             | --device-cgroup-rule "c 1:3 rwm"
sysctl                  | --sysctl net.ipv4.ip_unprivileged_port_start=80 --sysctl net.core.somaxconn=256
read-only root          | --read-only --tmpfs /tmp:rw,size=1m,mode=1777
tmpfs                   | --tmpfs /scratch
tmpfs as mount          | --mount type=tmpfs,target=/scratch,tmpfs-size=1048576,tmpfs-mode=1770
init                    | --init
host IPC                | --ipc host
shareable IPC           | --ipc shareable
container's IPC         | --ipc container:provider
host PIDs               | --pid host
container's PIDs        | --pid container:provider
host UTS                | --uts host
host cgroup namespace   | --cgroupns host
private cgroup namespace| --cgroupns private
host user namespace     | --userns host
cgroup parent           | --cgroup-parent /lab-parent
runtime                 | --runtime runc
log driver              | --log-driver json-file --log-opt max-size=1m --log-opt max-file=3
log none                | --log-driver none
log local               | --log-driver local --log-opt max-size=5m
command                 | CMD {long}
entrypoint              | --entrypoint /bin/busybox CMD sleep 1000
entrypoint emptied      | --entrypoint "" CMD {long}
entrypoint only         | --entrypoint /bin/cat --interactive
port                    | --publish {loopback}:18461:80
ephemeral port          | --publish 80
port range and UDP      | --publish {loopback}:18471-18472:80-81/tcp --publish {loopback}:18473:53/udp
all ports               | --publish-all --expose 9000
exposed port            | --expose 9000/udp
DNS                     | --dns 10.0.0.1 --dns-search example.org --dns-option ndots:2
extra hosts             | --add-host db.example:10.1.1.1 --add-host other:10.1.1.2
no network              | --network none
host network            | --network host
network                 | --network front
network by long form    | --network name=front,alias=one,alias=two
aliases                 | --network front --network-alias web --network-alias www
static address          | --network front --ip {front}.77
static IPv6 address     | --network six --ip6 {six}77
link-local address      | --network front --link-local-ip 169.254.7.7
driver options          | --network name=front,driver-opt=com.example.option=1
link                    | --link provider:db
link on a network       | --network front --link neighbour:db
container's network     | --network container:provider
bind                    | --volume {folder}:/bound
bind read-only          | --volume {folder}:/bound:ro
bind propagation        | --mount type=bind,source={folder},target=/bound,bind-propagation=rprivate,readonly
bind of a file          | --volume {folder}/file:/etc/bound.conf:ro
named volume            | --volume named:/seed
named volume nocopy     | --volume named:/seed:nocopy
named volume read-only  | --volume named:/seed:ro
unnamed volume          | --volume /unnamed
unnamed over data       | --volume /data
unnamed as mount        | --mount type=volume,target=/unnamed
volume as mount         | --mount type=volume,source=named,target=/seed,volume-nocopy
volume with options     | --mount type=volume,source=tuned,target=/t,volume-label=a=b,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=1m
volume driver           | --volume-driver local --volume driven:/d
volumes from            | --volumes-from provider
volumes from read-only  | --volumes-from provider:ro
cid file                | --cidfile {cidfile}
web service             | --restart unless-stopped --network front --network-alias web --publish {loopback}:18481:8080 --volume named:/seed --env MODE=user --memory 64m --log-opt max-size=1m --init
hardened                | --read-only --cap-drop ALL --security-opt no-new-privileges --user 65534 --pids-limit 20 --tmpfs /tmp --network none --ulimit nofile=256
database                | --volume /unnamed --volume named:/seed --shm-size 96m --stop-timeout 5 --health-cmd /bin/true --health-interval 30s --network front --ip {front}.78 --hostname db
sidecar                 | --network container:provider --volumes-from provider --pid container:provider --env A=1
everything of a compose | --label com.docker.compose.project=shop --label com.docker.compose.service=web --label com.docker.compose.depends_on= --network name=front,alias=web,alias=shop-web-1 --mount type=volume,source=named,target=/seed --expose 8080 --hostname shop --ulimit nofile=1024:2048 --cap-add NET_ADMIN
"""


@dataclass(frozen=True, slots=True)
class Ground:
    engine: DockerEngine
    runtime: Runtime
    places: dict[str, str]
    old: str
    new: str
    new_digest: str


@pytest.fixture(scope="module")
def ground(
    docker_engine: DockerEngine, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    """Two images that differ in a label, and the networks, volumes and containers that options refer to."""
    docker_engine.clear()
    old, new = registry.reference("options/app:1.0.0"), registry.reference("options/app:1.0.1")
    make_image(docker_engine, old, labels={"build": "1"}, healthcheck=HEALTHCHECK, **IMAGE_DEFAULTS)
    digest = make_image(docker_engine, new, labels={"build": "2"}, healthcheck=HEALTHCHECK, **IMAGE_DEFAULTS)
    places = _places(docker_engine.room, tmp_path_factory.mktemp("options"))
    _furnish(docker_engine, old, places["six"])
    with open_runtime(docker_engine) as runtime:
        yield Ground(docker_engine, runtime, places, old, new, digest)
    docker_engine.clear()


def _furnish(engine: DockerEngine, image: str, six: str) -> None:
    make_network(engine, "front")
    make_network(engine, "back", part=1)
    subnets = f"--subnet {six}/64 --subnet {engine.room.part(2)}.0/24"
    run_docker(engine, *f"network create --ipv6 {subnets} six".split())
    run_docker(engine, "volume", "create", "named")
    run_docker(engine, *f"run -d --name provider --ipc shareable -v /provided {image}".split())
    run_docker(engine, *f"run -d --name neighbour --network front {image}".split())


def _places(room: Room, folder: Path) -> dict[str, str]:
    (folder / "bound").mkdir()
    (folder / "bound" / "file").write_text("bound")
    seccomp = folder / "seccomp.json"
    seccomp.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}))
    return {
        "loopback": LOOPBACK,
        "folder": str(folder / "bound"),
        "seccomp": str(seccomp),
        "cidfile": str(folder / "cid"),
        "long": LONG_RUN,
        "front": room.part(0),
        "six": f"fd00:99:{room.number}::",
    }


def _rows() -> list[tuple[str, str]]:
    split = (line.partition("|") for line in OPTIONS.strip().splitlines())
    return [(name.strip(), options.strip()) for name, _, options in split]


ROWS = _rows()


def _arguments(ground: Ground, options: str) -> list[str]:
    for name, value in ground.places.items():
        options = options.replace(f"{{{name}}}", value)
    settings, _, command = options.partition("CMD ")
    return [*shlex.split(settings), ground.old, *shlex.split(command)]


@pytest.mark.parametrize(("name", "options"), ROWS, ids=[name for name, _ in ROWS])
def test_an_updated_container_differs_in_nothing_but_ids_times_and_image(
    ground: Ground, name: str, options: str
) -> None:
    try:
        run_docker(ground.engine, "create", "--name", "web", *_arguments(ground, options))
        if NOT_STARTED not in name:
            run_docker(ground.engine, "start", "web")
        before = ground.runtime.inspect("web")
        perform_all(ground.runtime, request_for("web", ground.new, ground.new_digest))
        after = ground.runtime.inspect("web")
        assert after["Id"] != before["Id"]
        assert after["Config"]["Labels"]["build"] in ("2", "mine")
        assert comparable(after, {"build": ""}) == comparable(before, {"build": ""})
    finally:
        with suppress(NotFound):
            ground.engine.client.containers.get("web").remove(force=True, v=True)


def test_there_are_enough_options() -> None:
    assert len(ROWS) >= 60
