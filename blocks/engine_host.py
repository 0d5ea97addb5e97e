"""What Docker's and Podman's blocks have in common: an address, and what it is proved with."""

from typing import ClassVar, Self

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, SecretStr, model_validator

from blocks import pasted
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import UptainerError
from uptainer.core.secrets import HostSecret, SshSecret, TlsSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.addresses import LOOPBACK, parse_address, tls_folder
from uptainer.runtimes.engine.ssh_keys import check_secret
from uptainer.runtimes.engine.tls import client_context

_FORMS = "`unix:///path/to.sock`, `tcp://host:port` with TLS, or `ssh://user@host`, with `:port` and `/path/to.sock` where needed."


class EngineHost(Block):
    """One engine. Not a block by itself."""

    model_config = ConfigDict(hide_input_in_errors=True)
    runtime: ClassVar[RuntimeType]

    url: str = Field(title="Address", description=_FORMS)
    timeout_seconds: float = Field(
        default=30.0,
        gt=0,
        le=600,
        title="Patience (seconds)",
        description="An engine that takes longer to answer counts as unreachable.",
    )
    ca_certificate: str = Field(
        default="",
        title="TLS: CA certificate",
        description="PEM text: who signed the engine's certificate. Empty for the authorities that this system trusts.",
    )
    client_certificate: str = Field(
        default="",
        title="TLS: client certificate",
        description="PEM text: what we show the engine, for a `tcp://` address.",
    )
    client_key: SecretStr = Field(
        default=SecretStr(""),
        title="TLS: client key",
        description="PEM text, without a passphrase: the key of the client certificate.",
    )
    ssh_private_key: SecretStr = Field(
        default=SecretStr(""),
        title="SSH: private key",
        description="All lines of an OpenSSH key without a passphrase. Empty for the ssh configuration of the user who runs Uptainer.",
    )
    ssh_known_hosts: str = Field(
        default="",
        title="SSH: known hosts",
        description="The lines that `ssh-keyscan HOST` prints, once you have compared their fingerprint with the machine's own.",
    )

    @model_validator(mode="after")
    def _must_fit_together(self) -> Self:
        try:
            address = self.address("this host")
            if (shown := self._ssh()) is not None:
                check_secret(shown)
            if (proof := self._tls()) is not None:
                client_context(proof, "this host")
        except UptainerError as error:
            raise ValueError(str(error).removeprefix("this host: ")) from error
        if address.connection is ConnectionType.TCP and proof is None:
            _refuse_open(address)
        return self

    def address(self, name: str, block: str | None = None) -> HostAddress:
        """As the host `name`; `block` is this block's own name, for the host to remember."""
        return parse_address(
            name, self.url.strip(), runtime=self.runtime, block=block, timeout=self.timeout_seconds
        )

    def secret(self, connection: ConnectionType) -> HostSecret | None:
        """What a connection of this kind is proved with; None where it needs nothing, or the user's own ssh has it."""
        match connection:
            case ConnectionType.SSH:
                return self._ssh()
            case ConnectionType.TCP:
                return self._tls()
            case _:
                return None

    def _ssh(self) -> SshSecret | None:
        key = self.ssh_private_key.get_secret_value()
        if not (key or self.ssh_known_hosts):
            return None
        return SshSecret(pasted.pem(key), pasted.known_hosts(self.ssh_known_hosts))

    def _tls(self) -> TlsSecret | None:
        parts = (self.ca_certificate, self.client_certificate, self.client_key.get_secret_value())
        return TlsSecret(*map(pasted.pem, parts)) if any(parts) else None


def _refuse_open(address: HostAddress) -> None:
    host = address.url.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    if host not in LOOPBACK and tls_folder(address) is None:
        raise ValueError(
            "whoever reaches an engine by TCP without TLS is root there: give the client certificate, its key and the CA"
        )
