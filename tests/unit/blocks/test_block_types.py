import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import SecretStr, ValidationError
from pyrage import x25519

import blocks
from blocks import (
    BLOCKS,
    AdviceModel,
    AmazonEcr,
    AzureContainerRegistry,
    BackupStore,
    Database,
    DockerHost,
    GoogleArtifactRegistry,
    KubernetesCluster,
    PodmanHost,
    Registry,
    RegistryCredentials,
    Trivy,
)
from blocks.registry_login import RegistryLogin
from tests.lab.certificates import Authority
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.secrets import ClusterSecret, SshSecret, TlsSecret
from uptainer.core.workloads import HostAddress
from uptainer.images.access import Certificates, Mirror
from uptainer.images.credential import Credential
from uptainer.images.issuing import Login
from uptainer.images.owners import AllowedHosts

SSH_KEY = """-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACA=
-----END OPENSSH PRIVATE KEY-----"""
KNOWN = "nas ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=="
KUBECONFIG = json.dumps(
    {
        "current-context": "prod",
        "clusters": [{"name": "c", "cluster": {"server": "https://h:1"}}],
        "users": [{"name": "u", "user": {"token": "hunter2"}}],
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
    }
)
AGE_KEY = str(x25519.Identity.generate())
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
GOOGLE_KEY = json.dumps(
    {"client_email": "a@b", "private_key": "hunter2", "token_uri": "https://oauth2.googleapis.com/token"}
)
CA = Authority("lan").certificate
AZURE = {"registry": "shop.azurecr.io", "tenant": "t", "client_id": "c"}


def test_every_kind_of_block_is_one_that_a_server_is_told_of() -> None:
    assert set(blocks.__all__) - {"BLOCKS"} == {each.__name__ for each in BLOCKS}


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
        (DockerHost(url="ssh://h", ssh_private_key=SecretStr(SSH_KEY), ssh_known_hosts=KNOWN), "b3BlbnNz"),
        (KubernetesCluster(url="https://h:1", token=SecretStr("hunter2")), "hunter2"),
        (KubernetesCluster(kubeconfig=SecretStr(KUBECONFIG)), "hunter2"),
        (RegistryCredentials(registry="ghcr.io", username="u", password=SecretStr("hunter2")), "hunter2"),
        (RegistryCredentials(registry="ghcr.io", identity_token=SecretStr("hunter2")), "hunter2"),
        (RegistryCredentials(registry="ghcr.io", bearer_token=SecretStr("hunter2")), "hunter2"),
        (AmazonEcr(registry=ECR, access_key_id="A", secret_access_key=SecretStr("hunter2")), "hunter2"),
        (GoogleArtifactRegistry(registry="gcr.io", service_account=SecretStr(GOOGLE_KEY)), "hunter2"),
        (AzureContainerRegistry(**AZURE, client_secret=SecretStr("hunter2")), "hunter2"),
        (Trivy(server_url="http://127.0.0.1:4954", token=SecretStr("hunter2")), "hunter2"),
        (AdviceModel(provider="anthropic", model="m", api_key=SecretStr("hunter2")), "hunter2"),
        (Database(url=SecretStr("postgresql://u:hunter2@h/d")), "hunter2"),
        (BackupStore(url="s3://b/p", options=SecretDict({"secret": "hunter2"})), "hunter2"),
        (BackupStore(url="s3://b/p", passphrase=SecretStr("hunter2")), "hunter2"),
        (BackupStore(url="/srv", identity=SecretStr(AGE_KEY)), "SECRET-KEY-1"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_secret_is_shown(block: Block, secret: str) -> None:
    assert secret not in repr(block)
    assert secret not in str(block.model_dump())


@pytest.mark.parametrize(
    ("kind", "fields", "says"),
    [
        (DockerHost, {"url": "tcp://192.0.2.1:2375"}, "by TCP without TLS is root there"),
        (DockerHost, {"url": "tcp://127.0.0.1"}, "write it as tcp://host:port"),
        (DockerHost, {"url": "unix://relative"}, "write it as unix:///path"),
        (DockerHost, {"url": "http://host"}, "is not an engine's"),
        (DockerHost, {"url": "in-cluster://"}, "is not how docker is reached"),
        (DockerHost, {"url": "tcp://h:1", "client_key": "none"}, "not both in PEM form"),
        (DockerHost, {"url": "tcp://h:1", "ca_certificate": "none"}, "CA certificate is not"),
        (DockerHost, {"url": "ssh://h", "ssh_private_key": "none"}, "not one that OpenSSH reads"),
        (DockerHost, {"url": "ssh://h", "ssh_known_hosts": KNOWN}, "not one that OpenSSH reads"),
        (DockerHost, {"url": "ssh://h", "ssh_private_key": SSH_KEY}, "as `ssh-keyscan HOST` prints them"),
        (PodmanHost, {"url": "https://h:1"}, "is not how podman is reached"),
        (KubernetesCluster, {}, "give a kubeconfig, or an address with a token"),
        (KubernetesCluster, {"token": "t"}, "goes with the cluster's address"),
        (KubernetesCluster, {"token": "t", "url": "tcp://h:1"}, "is not how kubernetes is reached"),
        (KubernetesCluster, {"token": "t", "kubeconfig": KUBECONFIG}, "and not both"),
        (KubernetesCluster, {"kubeconfig": KUBECONFIG, "url": "https://h:1"}, "leave the other one empty"),
        (KubernetesCluster, {"token": "t", "url": "https://h:1", "context": "c"}, "only a kubeconfig"),
        (KubernetesCluster, {"kubeconfig": "apiVersion: v1 kind: Config"}, "--flatten -o json"),
        (DockerHost, {"timeout_seconds": 0}, "greater than 0"),
        (RegistryCredentials, {"registry": "ghcr.io/team", "username": "u", "password": "p"}, "no path"),
        (RegistryCredentials, {"registry": "two words", "username": "u", "password": "p"}, "not"),
        (RegistryCredentials, {"registry": "ghcr.io"}, "a user name and a password"),
        (RegistryCredentials, {"registry": "ghcr.io", "username": "u"}, "a user name and a password"),
        (
            RegistryCredentials,
            {"registry": "docker.io", "username": "me@home", "password": "p"},
            "not the mail",
        ),
        (
            RegistryCredentials,
            {"registry": "ghcr.io", "username": "u", "password": "github_pat_x"},
            "read:packages",
        ),
        (AmazonEcr, {"registry": "ghcr.io"}, "is not a registry of ECR"),
        (GoogleArtifactRegistry, {"registry": "gcr.io.evil.test"}, "is not a registry of Google's"),
        (GoogleArtifactRegistry, {"registry": "evilpkg.dev"}, "is sent to no other"),
        (AzureContainerRegistry, {"registry": "shop.azurecr.io.evil.test"}, "below azurecr.io or azurecr.cn"),
        (AmazonEcr, {"registry": ECR, "access_key_id": "A"}, "give both, or neither"),
        (AmazonEcr, {"registry": ECR, "session_token": "hunter2"}, "goes with its access key"),
        (
            GoogleArtifactRegistry,
            {"registry": "gcr.io", "service_account": "hunter2"},
            "paste the whole file",
        ),
        (
            GoogleArtifactRegistry,
            {"registry": "gcr.io", "service_account": "{}"},
            "not a service account's key",
        ),
        (
            GoogleArtifactRegistry,
            {"registry": "gcr.io", "service_account": GOOGLE_KEY.replace("https", "http")},
            "is not https",
        ),
        (AzureContainerRegistry, {"registry": "a.azurecr.io", "client_secret": "hunter2"}, "give all three"),
        (Registry, {"registry": "r.lan", "ca_certificate": "hunter2"}, "CA certificate is not in PEM"),
        (Registry, {"registry": "r.lan", "client_certificate": "x", "client_key": "hunter2"}, "of one pair"),
        (Registry, {"registry": "r.lan", "client_key": "hunter2"}, "give both, or neither"),
        (Registry, {"registry": "docker.io", "mirrors": ["https://a.lan/v2/?x"]}, "is not a mirror"),
        (Registry, {"registry": "docker.io", "mirrors": ["two words"]}, "is not a mirror"),
        (Registry, {"registry": "docker.io", "mirrors": ["index.docker.io/x"]}, "no mirror of itself"),
        (Registry, {"registry": "docker.io", "mirrors_only": True}, "needs a mirror"),
        (Registry, {"registry": "r.lan", "ca_certificate": CA, "plain_http": True}, "and not both"),
        (
            Registry,
            {"registry": "r.lan", "other_hosts": ["https://a.lan"]},
            "neither a host's name nor a network",
        ),
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
    with pytest.raises(ValidationError, match=re.escape(says)) as refused:
        kind(**fields)
    assert "hunter2" not in str(refused.value)


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


@pytest.mark.parametrize("key", [SSH_KEY, SSH_KEY.replace("\n", " "), f"\n{SSH_KEY}\n\n"])
@pytest.mark.parametrize("known", [KNOWN, f"{KNOWN} {KNOWN}", f"{KNOWN}\n{KNOWN}\n"])
def test_an_ssh_key_is_whole_again_after_a_field_that_makes_one_line_of_it(key: str, known: str) -> None:
    block = DockerHost(url="ssh://h", ssh_private_key=SecretStr(key), ssh_known_hosts=known)
    secret = block.secret(ConnectionType.SSH)
    assert isinstance(secret, SshSecret)
    begin, *body, end = secret.private_key.splitlines()
    assert (begin, end) == (SSH_KEY.splitlines()[0], SSH_KEY.splitlines()[-1])
    assert "".join(body) == "".join(SSH_KEY.splitlines()[1:-1])
    assert set(secret.known_hosts.splitlines()) == {KNOWN}


def test_certificates_are_whole_again_after_a_field_that_makes_one_line_of_them() -> None:
    authority = Authority()
    client = authority.client()
    parts = (authority.certificate, client.certificate, client.key)
    ca, certificate, key = (text.replace("\n", " ") for text in parts)
    block = DockerHost(
        url="tcp://far:2376", ca_certificate=ca, client_certificate=certificate, client_key=SecretStr(key)
    )
    assert block.secret(ConnectionType.TCP) == TlsSecret(*(text.strip() for text in parts))


def test_an_engine_is_given_what_its_kind_of_connection_is_proved_with_and_nothing_else() -> None:
    block = PodmanHost(ssh_private_key=SecretStr(SSH_KEY), ssh_known_hosts=KNOWN)
    assert isinstance(block.secret(ConnectionType.SSH), SshSecret)
    assert block.secret(ConnectionType.UNIX) is None
    assert block.secret(ConnectionType.TCP) is None
    assert DockerHost(url="ssh://h").secret(ConnectionType.SSH) is None


def test_a_cluster_block_becomes_an_address_with_its_namespaces() -> None:
    block = KubernetesCluster(
        kubeconfig=SecretStr(KUBECONFIG),
        context="prod",
        namespaces=["shop-*"],
        excluded_namespaces=["*-test"],
    )
    address = block.address("k", "k-block")
    assert (address.url, address.connection) == ("kubeconfig://?context=prod", ConnectionType.KUBECONFIG)
    assert (address.namespaces, address.excluded_namespaces) == (("shop-*",), ("*-test",))
    assert block.secret() == ClusterSecret(kubeconfig=KUBECONFIG)


def test_a_cluster_is_reached_with_a_token_as_well() -> None:
    block = KubernetesCluster(url="https://h:6443", token=SecretStr("t\n"))
    assert block.address("k").connection is ConnectionType.TOKEN
    assert block.secret() == ClusterSecret(token="t")


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


@pytest.mark.parametrize(
    "block",
    [
        AmazonEcr(registry=ECR, access_key_id="A", secret_access_key=SecretStr("hunter2")),
        GoogleArtifactRegistry(registry="gcr.io", service_account=SecretStr(GOOGLE_KEY)),
        AzureContainerRegistry(**AZURE, client_secret=SecretStr("hunter2")),
    ],
    ids=lambda block: type(block).__name__,
)
def test_a_providers_login_is_a_value_that_shows_no_secret(block: RegistryLogin) -> None:
    assert {block.login(), block.login()} == {block.login()}
    assert isinstance(block.login(), Login)
    assert "hunter2" not in repr(block.login())


def test_a_registry_block_says_how_it_is_reached() -> None:
    block = Registry(
        registry="docker.io",
        mirrors=["https://cache.lan:5000/", "harbor.example.org/hub/proxy"],
        mirrors_complete=True,
        other_hosts=["Auth.example.org", "10.1.0.0/16"],
    )
    access = block.access()
    assert access.mirrors == (Mirror("cache.lan:5000"), Mirror("harbor.example.org", "hub/proxy"))
    assert (access.complete, access.mirrors_only, access.certificates) == (True, False, None)
    assert access.allowed == AllowedHosts.parse(["auth.example.org", "10.1.0.0/16"])


def test_a_registrys_certificates_are_whole_again_after_a_field_that_makes_one_line_of_them() -> None:
    authority = Authority()
    client = authority.client()
    block = Registry(
        registry="r.lan",
        ca_certificate=authority.certificate.replace("\n", " "),
        client_certificate=client.certificate.replace("\n", " "),
        client_key=SecretStr(client.key.replace("\n", " ")),
    )
    parts = (authority.certificate, client.certificate, client.key)
    assert block.access().certificates == Certificates(*(text.strip() for text in parts))


def test_a_trivy_block_becomes_a_server_address() -> None:
    address = Trivy(server_url="http://127.0.0.1:4954/", token=SecretStr("t")).address()
    assert (address.url, address.token) == ("http://127.0.0.1:4954", "t")
