"""The tables, by aggregate. Importing this package makes all of them known to `Base.metadata`."""

from uptainer.core.transitions import CLOSED
from uptainer.store.models.advice import ModelConsultation, ModelSpending, ReleaseHostRow, ReleasePage
from uptainer.store.models.audit import AuditEntry
from uptainer.store.models.backups import ContainerBackup
from uptainer.store.models.base import SCHEMA, Base
from uptainer.store.models.budgets import RegistryBudget
from uptainer.store.models.checks import CandidateRow, UpdateCheck
from uptainer.store.models.excuses import AllowanceRow, VexDocument
from uptainer.store.models.fleet import Container, ContainerHost, HealthObservation, Server
from uptainer.store.models.images import Image
from uptainer.store.models.notices import NoticeDelivery, UpdateNotification
from uptainer.store.models.policies import MaintenanceWindow, RegistryCredential, UpdatePolicy
from uptainer.store.models.security import (
    AiRecommendation,
    ContainerVulnerability,
    ImageSecret,
    VulnerabilityScan,
)
from uptainer.store.models.signatures import Sbom, SignatureTrust, SignatureVerification
from uptainer.store.models.updates import Approval, Update, UpdateStep

__all__ = [
    "CLOSED",
    "SCHEMA",
    "AiRecommendation",
    "AllowanceRow",
    "Approval",
    "AuditEntry",
    "Base",
    "CandidateRow",
    "Container",
    "ContainerBackup",
    "ContainerHost",
    "ContainerVulnerability",
    "HealthObservation",
    "Image",
    "ImageSecret",
    "MaintenanceWindow",
    "ModelConsultation",
    "ModelSpending",
    "NoticeDelivery",
    "RegistryBudget",
    "RegistryCredential",
    "ReleaseHostRow",
    "ReleasePage",
    "Sbom",
    "Server",
    "SignatureTrust",
    "SignatureVerification",
    "Update",
    "UpdateCheck",
    "UpdateNotification",
    "UpdatePolicy",
    "UpdateStep",
    "VexDocument",
    "VulnerabilityScan",
]
