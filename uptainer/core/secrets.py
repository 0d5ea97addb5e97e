"""What a connection is proved with. Prefect blocks hold these; they pass through memory only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class TlsSecret:
    """Mutual TLS, each as PEM text: whom we trust, and who we are."""

    ca: str
    certificate: str
    key: str


@dataclass(frozen=True, slots=True, repr=False)
class SshSecret:
    """`known_hosts` are lines as `ssh-keyscan` prints them: the host must have one of these keys."""

    private_key: str
    known_hosts: str


@dataclass(frozen=True, slots=True, repr=False)
class ClusterSecret:
    """Either a kubeconfig's text, or a bearer token with the PEM text of the authority that signed the server's key."""

    kubeconfig: str = ""
    token: str = ""
    ca: str = ""


HostSecret = TlsSecret | SshSecret | ClusterSecret
