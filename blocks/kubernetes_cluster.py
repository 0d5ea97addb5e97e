from typing import ClassVar, Self

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, HttpUrl, SecretStr, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from blocks import pasted
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import UptainerError
from uptainer.core.secrets import ClusterSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.addresses import kubeconfig_url, parse_address


class KubernetesCluster(Block):
    """One cluster, by a kubeconfig or by a token. The block's name is what `uptainer host add --block` takes."""

    _block_type_name: ClassVar[str | None] = "Kubernetes cluster"
    _block_type_slug: ClassVar[str | None] = "kubernetes-cluster"
    _description: ClassVar[str | None] = (
        "One cluster: a kubeconfig, or an address with a token; and which of its namespaces are Uptainer's concern."
    )
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://kubernetes.io/docs/reference/access-authn-authz/rbac/"
    )

    model_config = ConfigDict(hide_input_in_errors=True)

    kubeconfig: SecretStr = Field(
        default=SecretStr(""),
        title="Kubeconfig",
        description="What `kubectl config view --raw --minify --flatten -o json` prints.",
    )
    context: str = Field(
        default="", title="Context", description="One of the kubeconfig's; empty for its current one."
    )
    url: str = Field(
        default="",
        title="Address",
        description="In place of a kubeconfig, with a token: `https://host:port`.",
        examples=["https://k.example.org:6443"],
    )
    token: SecretStr = Field(
        default=SecretStr(""), title="Token", description="Of the ServiceAccount that Uptainer is to be."
    )
    ca_certificate: str = Field(
        default="",
        title="CA certificate",
        description="PEM text: who signed the cluster's certificate. Empty for the authorities that this system trusts.",
    )
    namespaces: list[str] = Field(
        default=[],
        title="Namespaces",
        description="Patterns such as `shop-*`; only these are read. None means all.",
    )
    excluded_namespaces: list[str] = Field(
        default=[],
        title="Excluded namespaces",
        description="Patterns such as `kube-*`; these are left out, whatever the others say.",
    )
    timeout_seconds: float = Field(
        default=30.0,
        gt=0,
        le=600,
        title="Patience (seconds)",
        description="A cluster that takes longer to answer counts as unreachable.",
    )

    @model_validator(mode="after")
    def _must_be_one_way(self) -> Self:
        secret = self.secret()
        has_config, has_token = bool(secret.kubeconfig), bool(secret.token)
        if has_config == has_token:
            raise ValueError("give a kubeconfig, or an address with a token, and not both")
        if has_config and self.url:
            raise ValueError("the kubeconfig says the address: leave the other one empty")
        if has_token and not self.url:
            raise ValueError("a token goes with the cluster's address")
        if has_token and self.context:
            raise ValueError("only a kubeconfig has contexts")
        if has_config:
            _check_kubeconfig(secret.kubeconfig)
        try:
            self.address("this cluster")
        except UptainerError as error:
            raise ValueError(str(error)) from error
        return self

    def address(self, name: str, block: str | None = None) -> HostAddress:
        """As the host `name`; `block` is this block's own name, for the host to remember."""
        return parse_address(
            name,
            self.url.strip() or kubeconfig_url(context=self.context),
            runtime=RuntimeType.KUBERNETES,
            block=block,
            timeout=self.timeout_seconds,
            namespaces=self.namespaces,
            excluded_namespaces=self.excluded_namespaces,
        )

    def secret(self, _connection: ConnectionType = ConnectionType.KUBECONFIG) -> ClusterSecret:
        return ClusterSecret(
            kubeconfig=self.kubeconfig.get_secret_value().strip(),
            token=self.token.get_secret_value().strip(),
            ca=pasted.pem(self.ca_certificate),
        )


def _check_kubeconfig(text: str) -> None:
    try:
        content = YAML(typ="safe").load(text)
    except YAMLError:
        content = None
    if not isinstance(content, dict) or not (content.get("clusters") and content.get("users")):
        raise ValueError(
            "it is not a kubeconfig with a cluster and a user; a form's field may have made one line of it: paste what "
            "`kubectl config view --raw --minify --flatten -o json` prints"
        )
