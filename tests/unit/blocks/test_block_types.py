import re
from collections.abc import Mapping
from typing import Any

import pytest
from prefect.blocks.core import Block
from pydantic import SecretStr, ValidationError

from blocks import BLOCKS, AdviceModel, Database, DockerHost, RegistryCredentials, Trivy
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.workloads import HostAddress
from uptainer.images.credentials import Credential


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_every_block_says_what_it_is_and_what_each_field_holds(block: type[Block]) -> None:
    assert block.get_description()
    assert block._documentation_url
    for name, field in block.model_fields.items():
        assert field.title, name
        assert field.description, name


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_no_block_holds_another_one(block: type[Block]) -> None:
    assert not block.model_json_schema().get("block_schema_references")


@pytest.mark.parametrize(
    ("block", "secret"),
    [
        (RegistryCredentials(registry="ghcr.io", username="u", password=SecretStr("hunter2")), "hunter2"),
        (RegistryCredentials(registry="ghcr.io", identity_token=SecretStr("hunter2")), "hunter2"),
        (Trivy(server_url="http://127.0.0.1:4954", token=SecretStr("hunter2")), "hunter2"),
        (AdviceModel(provider="anthropic", model="m", api_key=SecretStr("hunter2")), "hunter2"),
        (Database(url=SecretStr("postgresql://u:hunter2@h/d")), "hunter2"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_secret_is_shown(block: Block, secret: str) -> None:
    assert secret not in repr(block)
    assert secret not in str(block.model_dump())


@pytest.mark.parametrize(
    ("kind", "fields", "says"),
    [
        (DockerHost, {"url": "tcp://192.0.2.1:2375"}, "it must be unix"),
        (DockerHost, {"url": "tcp://127.0.0.1"}, "it must be unix"),
        (DockerHost, {"url": "unix://relative"}, "it must be unix"),
        (DockerHost, {"url": "http://host"}, "it must be unix"),
        (DockerHost, {"timeout_seconds": 0}, "greater than 0"),
        (RegistryCredentials, {"registry": "ghcr.io/team", "username": "u", "password": "p"}, "no path"),
        (RegistryCredentials, {"registry": "two words", "username": "u", "password": "p"}, "not"),
        (RegistryCredentials, {"registry": "ghcr.io"}, "a user name and a password"),
        (RegistryCredentials, {"registry": "ghcr.io", "username": "u"}, "a user name and a password"),
        (AdviceModel, {"provider": "anthropic", "model": "m"}, "wants a key"),
        (AdviceModel, {"provider": "ollama", "model": "m"}, "address"),
        (AdviceModel, {"model": "", "base_url": "http://127.0.0.1:1/v1"}, "at least 1"),
        (Trivy, {"server_url": "no address"}, "URL"),
        (Database, {"url": "mysql://host/name"}, "postgresql://"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_entered(
    kind: type[Block], fields: Mapping[str, Any], says: str
) -> None:
    with pytest.raises(ValidationError, match=re.escape(says)):
        kind(**fields)


@pytest.mark.parametrize(
    ("url", "connection"),
    [
        ("unix:///run/docker.sock", ConnectionType.UNIX),
        ("tcp://127.0.0.1:2375", ConnectionType.TCP),
        ("tcp://[::1]:2375", ConnectionType.TCP),
    ],
)
def test_a_docker_host_becomes_an_address(url: str, connection: ConnectionType) -> None:
    address = DockerHost(url=url, timeout_seconds=5).address("nas", "nas-block")
    assert address == HostAddress("nas", RuntimeType.DOCKER, connection, url, "nas-block", timeout=5.0)


@pytest.mark.parametrize(
    ("written", "registry"),
    [
        ("ghcr.io", "ghcr.io"),
        ("https://ghcr.io/", "ghcr.io"),
        ("docker.io", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("localhost:5000", "localhost:5000"),
    ],
)
def test_a_registry_is_known_by_one_name(written: str, registry: str) -> None:
    block = RegistryCredentials(registry=written, username="u", password=SecretStr("p"))
    assert block.registry == registry
    assert block.credential() == Credential(username="u", password="p")


def test_a_trivy_block_becomes_a_server_address() -> None:
    address = Trivy(server_url="http://127.0.0.1:4954/", token=SecretStr("t")).address()
    assert (address.url, address.token) == ("http://127.0.0.1:4954", "t")
