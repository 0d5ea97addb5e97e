"""The enumerations of the domain; the database holds each as an enum of the same name and values."""

from enum import StrEnum


class RuntimeType(StrEnum):
    DOCKER = "docker"
    PODMAN = "podman"
    KUBERNETES = "kubernetes"


class ConnectionType(StrEnum):
    UNIX = "unix"
    TCP = "tcp"
    SSH = "ssh"
    KUBECONFIG = "kubeconfig"
    IN_CLUSTER = "in_cluster"
    TOKEN = "token"  # noqa: S105 -- the way of connecting, and not a token


class ContainerStatus(StrEnum):
    """The engine's words for a container's state, and two of ours.

    UNKNOWN: its host did not answer. VANISHED: its host answered, and it is not there any more.
    """

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"
    UNKNOWN = "unknown"
    VANISHED = "vanished"


class Health(StrEnum):
    """NONE: the container has no health check. UNKNOWN: it could not be asked."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    STARTING = "starting"
    NONE = "none"
    UNKNOWN = "unknown"


class CheckResult(StrEnum):
    """What a lookup of a running image found. Only UP_TO_DATE means up to date."""

    UP_TO_DATE = "up_to_date"
    CANDIDATES = "candidates"
    UNKNOWN = "unknown"
    LOCAL_ONLY = "local_only"
    PINNED = "pinned"
    EXCLUDED = "excluded"


class ChangeLevel(StrEnum):
    """How far a candidate is from what runs. UNORDERED: the tags cannot be compared."""

    DIGEST = "digest"
    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"
    UNORDERED = "unordered"


class UpdateStatus(StrEnum):
    PROPOSED = "proposed"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    WAITING_FOR_WINDOW = "waiting_for_window"
    BACKING_UP = "backing_up"
    APPLYING = "applying"
    VALIDATING = "validating"
    SUCCEEDED = "succeeded"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    ROLLBACK_FAILED = "rollback_failed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    FAILED = "failed"


class StepStatus(StrEnum):
    """A journal step: its intent is committed before the act, its result after."""

    INTENT = "intent"
    DONE = "done"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"


class RecommendationType(StrEnum):
    """From the most to the least willing: a stricter verdict is further down."""

    APPLY = "apply"
    REVIEW = "review"
    HOLD = "hold"


class Severity(StrEnum):
    """Trivy's severities, lowest first."""

    UNKNOWN = "unknown"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class SignatureStatus(StrEnum):
    """What verifying an image's signatures found. UNKNOWN: its registry could not be asked. Only VERIFIED is signed."""

    VERIFIED = "verified"
    MISSING = "missing"
    INVALID = "invalid"
    UNKNOWN = "unknown"


class SbomFormat(StrEnum):
    CYCLONEDX = "cyclonedx"
    SPDX = "spdx"


class ScanStatus(StrEnum):
    """UNAVAILABLE: there is no scanner. FAILED: there is one, and it could not scan this image."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNAVAILABLE = "unavailable"


class VexFormat(StrEnum):
    """The forms in which a VEX document may be written."""

    OPENVEX = "openvex"
    CYCLONEDX = "cyclonedx"
    CSAF = "csaf"


class PolicyScope(StrEnum):
    """The layers of policy, the most general first; a more specific one wins, field by field."""

    DEFAULT = "default"
    HOST = "host"
    PROJECT = "project"
    LABEL = "label"
    CONTAINER = "container"


class PolicyMode(StrEnum):
    MANUAL = "manual"
    AUTO = "auto"
    AUTO_IF_RECOMMENDED = "auto_if_recommended"
    NOTIFY = "notify"
    OFF = "off"


class ApprovalDecision(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    SNOOZE = "snooze"
    SKIP = "skip"


class ApprovalChannel(StrEnum):
    """By which way an answer came. A name from COMMAND is the operating system's account; one from the form is typed."""

    PREFECT_FORM = "prefect_form"
    COMMAND = "command"
    POLICY = "policy"


class BackupStatus(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PRUNED = "pruned"


class Consistency(StrEnum):
    """How a workload is held still while its volumes are read: stopped, paused, or not at all."""

    STOP = "stop"
    PAUSE = "pause"
    LIVE = "live"


class NotificationStatus(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class NoticeSeverity(StrEnum):
    """How much something that is told matters, the least first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class QuotaUnit(StrEnum):
    """What a registry counts: every request, or only those that read a manifest."""

    REQUEST = "request"
    PULL = "pull"


class WebhookKind(StrEnum):
    """Whose notifications of a push are read, and so how they are proved."""

    DOCKER_HUB = "docker-hub"
    GITHUB = "github"
    HARBOR = "harbor"
    QUAY = "quay"
    DISTRIBUTION = "distribution"
    GENERIC = "generic"


class Forge(StrEnum):
    """Whose API a host with release notes speaks; GITEA is Forgejo too."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"


class ModelProvider(StrEnum):
    """OPENAI_COMPATIBLE is OpenAI's own, or any server that speaks its chat API."""

    OPENAI_COMPATIBLE = "openai-compatible"
    ANTHROPIC = "anthropic"
    OLLAMA = "ollama"
