import re

import pytest

from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import InvalidInputError
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.addresses import SshTarget, kubeconfig_url, parse_address, ssh_target, tls_folder

DOCKER, PODMAN, KUBERNETES = RuntimeType.DOCKER, RuntimeType.PODMAN, RuntimeType.KUBERNETES


@pytest.mark.parametrize(
    ("url", "runtime", "connection"),
    [
        ("unix:///var/run/docker.sock", DOCKER, ConnectionType.UNIX),
        ("tcp://127.0.0.1:2375", DOCKER, ConnectionType.TCP),
        ("tcp://[::1]:2375", DOCKER, ConnectionType.TCP),
        ("tcp://nas.example.org:2376?cert_path=/etc/docker", DOCKER, ConnectionType.TCP),
        ("ssh://root@nas", DOCKER, ConnectionType.SSH),
        ("ssh://nas:2222/run/docker.sock", DOCKER, ConnectionType.SSH),
        ("ssh://root@[fe80::1]:22", DOCKER, ConnectionType.SSH),
        ("kubeconfig:///home/me/.kube/config?context=prod", KUBERNETES, ConnectionType.KUBECONFIG),
        ("kubeconfig://", KUBERNETES, ConnectionType.KUBECONFIG),
        ("in-cluster://", KUBERNETES, ConnectionType.IN_CLUSTER),
        ("https://k.example.org:6443", KUBERNETES, ConnectionType.TOKEN),
    ],
)
def test_an_address_says_how_it_is_reached(
    url: str, runtime: RuntimeType, connection: ConnectionType
) -> None:
    assert parse_address("nas", url) == HostAddress("nas", runtime, connection, url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "is not an engine's"),
        ("/var/run/docker.sock", "is not an engine's"),
        ("ftp://host", "is not an engine's"),
        ("unix://relative", "write it as unix:///path"),
        ("unix:///", "write it as unix:///path"),
        ("tcp://host", "write it as tcp://host:port"),
        ("tcp://host:1/path", "write it as tcp://host:port"),
        ("tcp://host:port", "is not an address"),
        ("tcp://host:1?other=1", "write it as tcp://host:port"),
        ("ssh://", "write it as ssh://user@host"),
        ("ssh://-oProxyCommand=x", "write it as ssh://user@host"),
        ("ssh://-oProxyCommand=x@host", "write it as ssh://user@host"),
        ("ssh://root@host/a:b", "write it as ssh://user@host"),
        ("ssh://root@host/../x", "write it as ssh://user@host"),
        ("ssh://root@host?x=1", "write it as ssh://user@host"),
        ("ssh://root:secret@host", "holds no password"),
        ("kubeconfig://host/path", "write it as kubeconfig:///path"),
        ("in-cluster://here", "write it as in-cluster://"),
        ("https://host", "write it as https://host:port"),
    ],
)
def test_what_is_no_address_is_refused(url: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(says)) as refused:
        parse_address("nas", url)
    assert "secret" not in str(refused.value).replace("holds the secret", "")


@pytest.mark.parametrize(
    ("url", "runtime"), [("unix:///run/docker.sock", KUBERNETES), ("in-cluster://", DOCKER)]
)
def test_a_runtime_is_reached_in_its_own_ways_only(url: str, runtime: RuntimeType) -> None:
    with pytest.raises(InvalidInputError, match=f"is not how {runtime.value} is reached"):
        parse_address("nas", url, runtime=runtime)


def test_only_a_cluster_has_namespaces() -> None:
    with pytest.raises(InvalidInputError, match="only a cluster has namespaces"):
        parse_address("nas", "unix:///run/docker.sock", namespaces=["shop"])
    address = parse_address("k", "in-cluster://", namespaces=["shop-*"], excluded_namespaces=["*-test"])
    assert (address.namespaces, address.excluded_namespaces) == (("shop-*",), ("*-test",))


@pytest.mark.parametrize(
    ("url", "runtime", "target"),
    [
        ("ssh://root@nas", DOCKER, SshTarget("nas", "root", None, "/var/run/docker.sock")),
        ("ssh://nas:2222", PODMAN, SshTarget("nas", None, 2222, "/run/podman/podman.sock")),
        (
            "ssh://me@nas/run/user/1000/podman/podman.sock",
            PODMAN,
            SshTarget("nas", "me", None, "/run/user/1000/podman/podman.sock"),
        ),
    ],
)
def test_an_ssh_address_leads_to_a_socket(url: str, runtime: RuntimeType, target: SshTarget) -> None:
    assert ssh_target(parse_address("nas", url, runtime=runtime)) == target


def test_a_folder_of_certificates_stands_in_the_address() -> None:
    assert tls_folder(parse_address("n", "tcp://h:1?cert_path=/a/b")) == "/a/b"
    assert tls_folder(parse_address("n", "tcp://h:1")) is None


def test_a_kubeconfigs_address_holds_any_context() -> None:
    url = kubeconfig_url("/home/me/my config", "arn:aws:eks:eu-1:1:cluster/a&b")
    assert parse_address("k", url).url == url
    assert kubeconfig_url() == "kubeconfig://"
