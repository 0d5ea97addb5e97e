"""Adding hosts of each kind by command, with their secrets in the blocks of a real Prefect server."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from pydantic import SecretStr

from blocks import DockerHost, KubernetesCluster, PodmanHost
from tasks import resources
from tests.lab.commands import uptainer
from tests.lab.docker import DockerEngine
from tests.lab.environment import lab_part
from tests.lab.kubernetes import Cluster
from tests.lab.podman import PodmanEngine
from tests.lab.prefect import PrefectServer
from tests.lab.room import Room
from tests.lab.ssh import SshServer
from uptainer.cli import connection
from uptainer.core.errors import NotFoundError
from uptainer.runtimes.addresses import parse_address
from uptainer.store import schema


@pytest.fixture(scope="module")
def ssh_server(room: Room) -> Iterator[SshServer]:
    with lab_part():
        server = SshServer(room)
    yield server
    server.close()


@pytest.fixture(scope="module")
def served(prefect_server: PrefectServer, module_postgres_url: str) -> str:
    """The database, its tables made, beside a server that knows the blocks."""

    async def register() -> None:
        async with get_client() as client:
            for block in (DockerHost, PodmanHost, KubernetesCluster):
                await block.register_type_and_schema(client=client)

    schema.upgrade(module_postgres_url)
    asyncio.run(register())
    return module_postgres_url


@pytest.fixture
def fleet(
    served: str, prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """What commands find, with no host in it before the test and after it."""
    for name in [name for name in os.environ if name.startswith("UPTAINER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UPTAINER_DATABASE_URL", served)
    monkeypatch.setenv("UPTAINER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PREFECT_API_URL", prefect_server.api_url)
    monkeypatch.setenv("PREFECT_HOME", str(prefect_server.home))
    monkeypatch.setenv("COLUMNS", "250")
    connection.secret.cache_clear()
    yield
    for host in uptainer("host", "list", "--json").json:
        uptainer("host", "remove", host["name"])


def socket_of(engine: DockerEngine | PodmanEngine) -> str:
    return engine.url.removeprefix("unix://")


async def save_ssh(kind: type[DockerHost | PodmanHost], name: str, server: SshServer, url: str) -> None:
    block = kind(
        url=url,
        ssh_private_key=SecretStr(server.secret.private_key.replace("\n", " ")),
        ssh_known_hosts=server.secret.known_hosts,
        timeout_seconds=20,
    )
    await block.save(name, overwrite=True)


def test_a_machine_is_added_by_ssh_from_its_block_and_read(
    fleet: None, docker_engine: DockerEngine, ssh_server: SshServer
) -> None:
    url = f"{ssh_server.url}{socket_of(docker_engine)}"
    asyncio.run(save_ssh(DockerHost, "far-key", ssh_server, url))
    added = uptainer("host", "add", "far", "--block", "far-key")
    assert added.code == 0, added.err
    assert f"answers at {url}, by SSH as root" in added.out
    assert uptainer("host", "sync", "far").code == 0
    (host,) = uptainer("host", "list", "--json").json
    assert (host["connection"], host["block"], host["answers"]) == ("ssh", "far-key", True)


def test_one_key_serves_several_machines(
    fleet: None, podman_engine: PodmanEngine, ssh_server: SshServer
) -> None:
    asyncio.run(save_ssh(PodmanHost, "fleet-key", ssh_server, "unix:///run/podman/podman.sock"))
    url = f"{ssh_server.url}{socket_of(podman_engine)}"
    added = uptainer("host", "add", "pi", url, "--block", "fleet-key")
    assert added.code == 0, added.err
    assert added.out.startswith("Added host pi: Podman ")


def test_what_answers_decides_between_docker_and_podman(fleet: None, podman_engine: PodmanEngine) -> None:
    wrong = uptainer("host", "add", "pod", podman_engine.url, "--runtime", "docker")
    assert wrong.code == 1
    assert "Podman answers at" in wrong.err
    assert uptainer("host", "add", "pod", podman_engine.url).code == 0
    (host,) = uptainer("host", "list", "--json").json
    assert host["runtime"] == "podman"


def test_a_cluster_is_added_by_its_token_with_its_namespaces(
    fleet: None, kubernetes_cluster: Cluster
) -> None:
    async def save() -> None:
        block = KubernetesCluster(
            url=kubernetes_cluster.url,
            token=SecretStr(kubernetes_cluster.token),
            ca_certificate=kubernetes_cluster.authority.read_text().replace("\n", " "),
            namespaces=["kube-system"],
        )
        await block.save("prod", overwrite=True)

    asyncio.run(save())
    added = uptainer("host", "add", "prod", "--block", "prod", "--exclude-namespace", "*-test")
    assert added.code == 0, added.err
    assert "Kubernetes " in added.out
    assert "by a token" in added.out
    (host,) = uptainer("host", "list", "--json").json
    assert host["namespaces"] == "kube-system, -*-test"
    assert "-*-test" in uptainer("host", "list").out


def test_a_block_that_is_not_there_is_named(fleet: None) -> None:
    added = uptainer("host", "add", "far", "ssh://root@127.0.0.1", "--block", "gone", "--runtime", "docker")
    assert added.code == 1
    assert "there is no Docker host block 'gone': make one on the page, under Blocks" in added.err
    address = parse_address("far", "ssh://root@127.0.0.1", block="gone")
    with pytest.raises(NotFoundError, match="far: there is no Docker host block 'gone'"):
        resources.connect(address)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nas",), "say where it is"),
        (("nas", "nas.example.org"), "is not an engine's or a cluster's address"),
        (("nas", "unix:///x.sock", "--namespace", "shop"), "only a cluster has namespaces"),
        (("nas", "unix:///x.sock", "--context", "prod"), "only a kubeconfig has contexts"),
        (("nas", "unix:///x.sock", "--runtime", "kubernetes"), "is not how kubernetes is reached"),
        ((".nas", "unix:///x.sock"), "is not a host's name"),
        (("nas", "unix:///nowhere.sock"), "there is no socket at unix:///nowhere.sock"),
        (("nas", "tcp://192.0.2.1:2375"), "without encryption on a network"),
    ],
)
def test_what_cannot_be_added_says_why(fleet: None, words: tuple[str, ...], says: str) -> None:
    ended = uptainer("host", "add", *words)
    assert ended.code in {1, 75}
    assert says in ended.err
    assert uptainer("host", "list", "--json").json == []
