"""Docker over TLS and over SSH: the same runtime, and a sentence for each way in which a connection fails."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import psutil
import pytest

from tests.lab.certificates import Authority
from tests.lab.docker import DockerEngine
from tests.lab.environment import lab_part
from tests.lab.hanging import Behaves, OddServer, never_answers, trickles, trickles_a_banner
from tests.lab.images import build_image, load_image
from tests.lab.podman import PodmanEngine
from tests.lab.replacing import open_runtime, run_docker
from tests.lab.room import Room, free_port, take_room
from tests.lab.ssh import SshServer, make_key, public
from uptainer.core.enums import ConnectionType, ContainerStatus, RuntimeType
from uptainer.core.errors import (
    AccessDeniedError,
    InvalidInputError,
    TemporaryError,
    UnreachableError,
    UnsupportedError,
    UptainerError,
)
from uptainer.core.secrets import HostSecret, SshSecret, TlsSecret
from uptainer.core.workloads import EngineFacts, HostAddress, Mount
from uptainer.runtimes.addresses import parse_address
from uptainer.runtimes.connections import connect, identify
from uptainer.runtimes.engine.client import Engine
from uptainer.runtimes.port import Runtime

IMAGE = "lab/remote:1"
TIMEOUT = 60.0


class TlsEngine(DockerEngine):
    """It also listens on loopback, to those who show a certificate of its authority."""

    def __init__(self, room: Room) -> None:
        self.authority = Authority()
        self.port = free_port()
        super().__init__(room)
        client = self.authority.client()
        self.secret = TlsSecret(self.authority.certificate, client.certificate, client.key)
        self.tls_url = f"tcp://127.0.0.1:{self.port}"

    def _command(self) -> list[str]:
        served = self.authority.server("127.0.0.1")
        files = {"cacert": self.authority.certificate, "cert": served.certificate, "key": served.key}
        for name, text in files.items():
            (self.directory / f"{name}.pem").write_text(text)
        options = [f"--tls{name}={self.directory}/{name}.pem" for name in files]
        return [*super()._command(), "--host", f"tcp://127.0.0.1:{self.port}", "--tlsverify", *options]


@pytest.fixture(scope="module")
def tls_engine() -> Iterator[TlsEngine]:
    with lab_part(), take_room() as room:
        engine = TlsEngine(room)
        load_image(engine, IMAGE, build_image())
        yield engine
        engine.close()


@pytest.fixture(scope="module")
def ssh_server(room: Room) -> Iterator[SshServer]:
    with lab_part():
        server = SshServer(room)
    yield server
    server.close()


@pytest.fixture(params=["tls", "ssh"])
def remote(request: pytest.FixtureRequest, tls_engine: TlsEngine) -> Iterator[Runtime]:
    """The same engine by each way, with nothing in it."""
    tls_engine.clear()
    way: tuple[HostAddress, HostSecret]
    if request.param == "tls":
        way = tls_address(tls_engine), tls_engine.secret
    else:
        server: SshServer = request.getfixturevalue("ssh_server")
        way = ssh_address(server, tls_engine), server.secret
    with connect(*way) as runtime:
        yield runtime
    tls_engine.clear()


def tls_address(engine: TlsEngine, host: str = "127.0.0.1") -> HostAddress:
    return parse_address("far", f"tcp://{host}:{engine.port}", block="far-docker", timeout=TIMEOUT)


def ssh_address(server: SshServer, engine: DockerEngine) -> HostAddress:
    path = engine.url.removeprefix("unix://")
    return parse_address("far", f"{server.url}{path}", block="far-docker", timeout=TIMEOUT)


def near(engine: DockerEngine) -> EngineFacts:
    """What the same engine says by its socket."""
    with open_runtime(engine) as runtime:
        return runtime.engine()


def test_an_engine_is_read_operated_and_asked_from_afar(tls_engine: TlsEngine, remote: Runtime) -> None:
    run_docker(tls_engine, "run", "--detach", "--name", "web", "--stop-timeout", "1", IMAGE)
    assert remote.engine() == near(tls_engine)
    assert [each.key for each in remote.containers()] == ["web"]
    ran = remote.execute("web", ["sh", "-c", "echo said; echo more >&2; exit 3"], timedelta(seconds=20))
    assert (ran.exit_code, sorted(ran.output.split())) == (3, ["more", "said"])
    remote.stop("web", timedelta(seconds=1))
    assert remote.state("web").status is ContainerStatus.EXITED
    assert remote.logs("web", tail=5) == ""


def test_a_volume_goes_both_ways_in_pieces(tls_engine: TlsEngine, remote: Runtime) -> None:
    run_docker(tls_engine, "create", "--name", "db", "--volume", "data:/data", IMAGE)
    mount = Mount("volume", "data", "", "/data", read_only=False)
    remote.write_mount("db", mount, iter([archive({"big": b"x" * 3_000_000, "small": b"s"})]))
    with remote.read_mount("db", mount) as pieces:
        read = b"".join(pieces)
    with tarfile.open(fileobj=BytesIO(read)) as found:
        sizes = {Path(entry.name).name: entry.size for entry in found if entry.isfile()}
    assert sizes == {"big": 3_000_000, "small": 1}
    is_whole = remote.address.connection is ConnectionType.SSH
    assert ("reach it by SSH" in remote.left_out("db", mount)) is not is_whole


def archive(files: dict[str, bytes]) -> bytes:
    written = BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))
    return written.getvalue()


def tls_failures(engine: TlsEngine) -> dict[str, tuple[HostSecret | None, str, type[UptainerError], str]]:
    good, other = engine.secret, Authority("other")
    foreign, old = other.client(), engine.authority.client(valid_for=timedelta(days=-1))
    second = engine.authority.client()
    return {
        "wrong CA": (
            replace(good, ca=other.certificate),
            "127.0.0.1",
            AccessDeniedError,
            r"the certificate that .* shows is not trusted",
        ),
        "wrong name": (good, "localhost", AccessDeniedError, "not trusted: Hostname mismatch"),
        "no client certificate": (
            TlsSecret(good.ca, "", ""),
            "127.0.0.1",
            AccessDeniedError,
            "does not accept our client certificate",
        ),
        "client certificate of somebody else": (
            TlsSecret(good.ca, foreign.certificate, foreign.key),
            "127.0.0.1",
            AccessDeniedError,
            "does not accept our client certificate",
        ),
        "expired client certificate": (
            TlsSecret(good.ca, old.certificate, old.key),
            "127.0.0.1",
            AccessDeniedError,
            "does not accept our client certificate|has expired",
        ),
        "key of another certificate": (
            replace(good, key=second.key),
            "127.0.0.1",
            InvalidInputError,
            "do not belong together",
        ),
        "no key": (replace(good, key="none"), "127.0.0.1", InvalidInputError, "not both in PEM form"),
        "no CA": (replace(good, ca="none"), "127.0.0.1", InvalidInputError, "CA certificate is not"),
        "an SSH key": (
            SshSecret("k", "h"),
            "127.0.0.1",
            InvalidInputError,
            "block 'far-docker' does not hold",
        ),
        "no TLS on our side": (None, "127.0.0.1", UptainerError, "far"),
    }


@pytest.mark.parametrize(
    "case",
    [
        "wrong CA",
        "wrong name",
        "no client certificate",
        "client certificate of somebody else",
        "expired client certificate",
        "key of another certificate",
        "no key",
        "no CA",
        "an SSH key",
        "no TLS on our side",
    ],
)
def test_a_tls_connection_that_fails_says_why(tls_engine: TlsEngine, case: str) -> None:
    secret, host, kind, says = tls_failures(tls_engine)[case]
    with pytest.raises(kind, match=says) as refused:
        connect(tls_address(tls_engine, host), secret)
    assert "PRIVATE" not in str(refused.value)


def test_the_folder_that_dockers_own_client_uses_is_enough(tls_engine: TlsEngine, tmp_path: Path) -> None:
    parts = {"ca": tls_engine.secret.ca, "cert": tls_engine.secret.certificate, "key": tls_engine.secret.key}
    for name, text in parts.items():
        (tmp_path / f"{name}.pem").write_text(text)
    address = parse_address("far", f"{tls_engine.tls_url}?cert_path={tmp_path}")
    with connect(address) as runtime:
        assert runtime.engine() == near(tls_engine)
    (tmp_path / "key.pem").unlink()
    with pytest.raises(InvalidInputError, match=r"there is no .*key\.pem"):
        connect(address)


def test_an_engine_on_a_network_without_encryption_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="without encryption on a network"):
        connect(parse_address("far", "tcp://192.0.2.1:2375"))


def ssh_failures(server: SshServer, folder: Path) -> dict[str, tuple[SshSecret, type[UptainerError], str]]:
    good = server.secret
    other = make_key(folder / "other")
    locked = make_key(folder / "locked", passphrase="hunter2-hunter2")
    return {
        "unknown host": (
            replace(good, known_hosts=good.known_hosts.replace("127.0.0.1", "127.0.0.2")),
            AccessDeniedError,
            rf"takes none unseen.*ssh-keyscan -p {server.port} 127\.0\.0\.1.*block 'far-docker'",
        ),
        "changed host": (
            replace(good, known_hosts=server.known_as(other)),
            AccessDeniedError,
            r"another SSH host key.*somebody stands between.*ssh-keygen -lf",
        ),
        "wrong key": (
            replace(good, private_key=other.read_text()),
            AccessDeniedError,
            r"does not let root in.*authorized_keys",
        ),
        "locked key": (
            replace(good, private_key=locked.read_text()),
            InvalidInputError,
            "a passphrase protects the private key",
        ),
        "no key": (replace(good, private_key="none"), InvalidInputError, "not one that OpenSSH reads"),
        "half a key": (
            replace(good, private_key=good.private_key.replace(good.private_key.splitlines()[3], "")),
            InvalidInputError,
            "not one that OpenSSH reads",
        ),
        "public key": (
            replace(good, private_key=public(server.user_key)),
            InvalidInputError,
            "not one that OpenSSH reads",
        ),
        "no known hosts": (replace(good, known_hosts=" "), InvalidInputError, "as `ssh-keyscan HOST` prints"),
    }


@pytest.mark.parametrize(
    "case",
    [
        "unknown host",
        "changed host",
        "wrong key",
        "locked key",
        "no key",
        "half a key",
        "public key",
        "no known hosts",
    ],
)
def test_an_ssh_connection_that_fails_says_why(
    docker_engine: DockerEngine, ssh_server: SshServer, tmp_path: Path, case: str
) -> None:
    secret, kind, says = ssh_failures(ssh_server, tmp_path)[case]
    with pytest.raises(kind, match=says) as refused:
        connect(ssh_address(ssh_server, docker_engine), secret)
    assert not [line for line in secret.private_key.splitlines()[1:-1] if line and line in str(refused.value)]
    assert processes_of_ssh() == []


def test_without_a_block_the_users_own_known_hosts_count(
    docker_engine: DockerEngine, ssh_server: SshServer
) -> None:
    address = replace(ssh_address(ssh_server, docker_engine), block=None)
    with pytest.raises(AccessDeniedError, match=r"takes none unseen.*into ~/\.ssh/known_hosts"):
        connect(address)


def test_podman_is_reached_by_ssh_as_well(podman_engine: PodmanEngine, ssh_server: SshServer) -> None:
    url = f"{ssh_server.url}{podman_engine.url.removeprefix('unix://')}"
    address = parse_address("far", url, runtime=RuntimeType.PODMAN, timeout=TIMEOUT)
    assert identify(parse_address("far", url), ssh_server.secret).runtime is RuntimeType.PODMAN
    with (
        connect(address, ssh_server.secret) as far,
        connect(parse_address("near", podman_engine.url, runtime=RuntimeType.PODMAN)) as near_by,
    ):
        assert far.engine() == near_by.engine()


def test_a_socket_that_is_not_there_is_named(ssh_server: SshServer) -> None:
    address = parse_address("far", f"{ssh_server.url}/run/none.sock", timeout=TIMEOUT)
    with pytest.raises(UnreachableError, match=r"nothing answers at /run/none\.sock on 127\.0\.0\.1"):
        connect(address, ssh_server.secret)


def test_nobody_at_the_port_is_unreachable() -> None:
    address = parse_address("far", f"ssh://root@127.0.0.1:{free_port()}", timeout=TIMEOUT)
    with pytest.raises(UnreachableError, match=r"can't be reached by SSH.*Connection refused"):
        connect(address)


def test_a_server_that_forwards_no_sockets_is_told_how_to(
    docker_engine: DockerEngine, ssh_server: SshServer
) -> None:
    ssh_server.restart(AllowStreamLocalForwarding="no")
    try:
        with pytest.raises(UptainerError, match=r"far.*(AllowStreamLocalForwarding|nothing answers)"):
            connect(ssh_address(ssh_server, docker_engine), ssh_server.secret)
    finally:
        ssh_server.restart()


def test_a_key_that_may_forward_and_nothing_else_is_enough(
    docker_engine: DockerEngine, ssh_server: SshServer
) -> None:
    keys = ssh_server.directory / "authorized_keys"
    before = keys.read_text()
    keys.write_text(f"restrict,port-forwarding {before}")
    try:
        with connect(ssh_address(ssh_server, docker_engine), ssh_server.secret) as runtime:
            assert runtime.engine().version
    finally:
        keys.write_text(before)


def test_a_connection_that_is_cut_is_unreachable_once_and_made_anew(
    docker_engine: DockerEngine, ssh_server: SshServer
) -> None:
    with connect(ssh_address(ssh_server, docker_engine), ssh_server.secret) as runtime:
        before = runtime.engine().id
        ssh_server.cut()
        with suppress(UnreachableError):
            runtime.engine()
        assert runtime.engine().id == before


def test_an_ssh_that_is_killed_is_started_again(docker_engine: DockerEngine, ssh_server: SshServer) -> None:
    with connect(ssh_address(ssh_server, docker_engine), ssh_server.secret) as runtime:
        before = runtime.engine().id
        (ssh,) = processes_of_ssh()
        ssh.kill()
        psutil.wait_procs([ssh], timeout=5)
        assert runtime.engine().id == before
        assert len(processes_of_ssh()) == 1


def test_no_process_folder_or_key_is_left(
    docker_engine: DockerEngine, ssh_server: SshServer, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = room.directory("tmp")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    runtime = connect(ssh_address(ssh_server, docker_engine), ssh_server.secret)
    secret = ssh_server.secret.private_key.splitlines()[2]
    on_disk = [path for path in folder.rglob("*") if path.is_file() and secret in path.read_text()]
    assert on_disk == []
    assert len(processes_of_ssh()) == 1
    runtime.close()
    assert processes_of_ssh() == []
    assert list(folder.iterdir()) == []


HOLDS_A_CONNECTION = """
import sys
from uptainer.core.secrets import SshSecret
from uptainer.runtimes.addresses import parse_address
from uptainer.runtimes.engine.client import Engine
url, key, known_hosts = sys.argv[1:]
engine = Engine(parse_address("far", url), SshSecret(key, known_hosts))
print("connected", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends a child with its parent")
def test_the_connection_ends_with_its_process_even_when_that_is_killed(
    docker_engine: DockerEngine, ssh_server: SshServer, room: Room
) -> None:
    folder = room.directory("tmp")
    secret = ssh_server.secret
    words = [ssh_address(ssh_server, docker_engine).url, secret.private_key, secret.known_hosts]
    command = [sys.executable, "-c", HOLDS_A_CONNECTION, *words]
    environment = {**os.environ, "TMPDIR": str(folder)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"connected\n"
        (ssh,) = psutil.Process(holder.pid).children()
        holder.kill()
        _, alive = psutil.wait_procs([ssh], timeout=20)
    assert alive == []
    left = [path.read_text() for path in folder.rglob("*") if path.is_file()]
    assert not [text for text in left if secret.private_key.splitlines()[2] in text]


def test_a_command_is_run_on_the_engines_machine(docker_engine: DockerEngine, ssh_server: SshServer) -> None:
    engine = Engine(ssh_address(ssh_server, docker_engine), ssh_server.secret)
    try:
        ran = engine.run(["sh", "-c", 'printf "%s" "$1"; echo why >&2; exit 4', "sh", "a 'b' $HOME"])
    finally:
        engine.close()
    assert (ran.exit_code, ran.output, ran.errors) == (4, "a 'b' $HOME", "why\n")


def test_a_command_for_an_engine_that_is_reached_by_tls_has_no_way(tls_engine: TlsEngine) -> None:
    engine = Engine(tls_address(tls_engine), tls_engine.secret)
    try:
        with pytest.raises(UnsupportedError, match="reach it by SSH"):
            engine.run(["true"])
    finally:
        engine.close()


def test_a_command_beside_a_unix_socket_is_run_here(docker_engine: DockerEngine) -> None:
    engine = Engine(parse_address("near", docker_engine.url))
    try:
        assert engine.run(["true"]).exit_code == 0
        with pytest.raises(UnsupportedError, match="no no-such-program on this machine"):
            engine.run(["no-such-program"])
    finally:
        engine.close()


def processes_of_ssh() -> list[psutil.Process]:
    """Those that this process started."""
    return [
        each
        for each in psutil.Process().children()
        if each.status() != psutil.STATUS_ZOMBIE and Path(each.cmdline()[0]).name == "ssh"
    ]


@pytest.mark.parametrize(
    ("scheme", "behaves"),
    [
        ("tcp", never_answers),
        ("tcp", trickles),
        ("tls", never_answers),
        ("tls", trickles),
        ("ssh", never_answers),
        ("ssh", trickles_a_banner),
    ],
)
def test_a_server_that_hangs_is_given_up(scheme: str, behaves: Behaves, tls_engine: TlsEngine) -> None:
    secrets: dict[str, HostSecret] = {"tls": tls_engine.secret}
    server = OddServer(behaves)
    url = f"{scheme.replace('tls', 'tcp')}://127.0.0.1:{server.port}"
    try:
        with pytest.raises((TemporaryError, AccessDeniedError), match="far"):
            connect(parse_address("far", url, runtime=RuntimeType.DOCKER, timeout=1), secrets.get(scheme))
    finally:
        server.close()
