"""Connections and secrets, edited on Prefect's page and encrypted there.

`prefect block register -m blocks` makes their types known to a server; `uptainer up` does so at each start. No block
holds a list of blocks: Prefect would keep copies, and its API would hand out their secrets in clear. None has a logo,
for the page would fetch it from somebody else's server.
"""

from prefect.blocks.core import Block

from blocks.advice_model import AdviceModel
from blocks.azure_login import AzureContainerRegistry
from blocks.backup_store import BackupStore
from blocks.database import Database
from blocks.docker_host import DockerHost
from blocks.ecr_login import AmazonEcr
from blocks.google_login import GoogleArtifactRegistry
from blocks.kubernetes_cluster import KubernetesCluster
from blocks.notifier import Notifier
from blocks.podman_host import PodmanHost
from blocks.registry import Registry
from blocks.registry_credentials import RegistryCredentials
from blocks.release_host import ReleaseNotesHost
from blocks.trivy import Trivy
from blocks.webhook_source import WebhookSource

BLOCKS: tuple[type[Block], ...] = (
    DockerHost,
    PodmanHost,
    KubernetesCluster,
    RegistryCredentials,
    AmazonEcr,
    GoogleArtifactRegistry,
    AzureContainerRegistry,
    Registry,
    Trivy,
    AdviceModel,
    ReleaseNotesHost,
    Notifier,
    BackupStore,
    Database,
    WebhookSource,
)

__all__ = [
    "BLOCKS",
    "AdviceModel",
    "AmazonEcr",
    "AzureContainerRegistry",
    "BackupStore",
    "Database",
    "DockerHost",
    "GoogleArtifactRegistry",
    "KubernetesCluster",
    "Notifier",
    "PodmanHost",
    "Registry",
    "RegistryCredentials",
    "ReleaseNotesHost",
    "Trivy",
    "WebhookSource",
]
