"""From rows to the values that the domain speaks in."""

from uptainer.core.images import Candidate, ImageFacts
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.core.workloads import ContainerFacts, Mount, Port
from uptainer.store.models import CandidateRow, Image
from uptainer.store.repositories.containers import ContainerView


def facts_of(view: ContainerView) -> ContainerFacts:
    """A container as discovery last found it."""
    row, image = view.container, view.image
    return ContainerFacts(
        key=row.key,
        runtime_id=row.runtime_id,
        name=row.name,
        image_reference=row.image_reference,
        image_id=row.image_id,
        repo_digests=repo_digests_of(view),
        status=row.status,
        health=row.health,
        restart_count=row.restart_count,
        platform=Platform.parse(row.platform) if row.platform else None,
        created_at=row.container_created_at,
        started_at=row.started_at,
        workload=row.workload,
        workload_kind=row.workload_kind,
        project=row.project,
        service=row.service,
        labels=row.labels,
        image_labels=image.labels if image else {},
        mounts=tuple(Mount(**each) for each in row.mounts),
        networks=tuple(row.networks),
        ports=tuple(Port(**each) for each in row.ports),
        depends_on=tuple(row.depends_on),
        has_healthcheck=row.has_healthcheck,
        details=row.details,
    )


def repo_digests_of(view: ContainerView) -> tuple[str, ...]:
    """What its own engine knows its image by; where that knows nothing any more, what was known of the same image."""
    known = view.image.repo_digests if view.image else ()
    return tuple(view.container.repo_digests or known)


def platform_of(view: ContainerView) -> Platform:
    """The container's own; its host's, for an image that does not say."""
    return Platform.parse(view.container.platform or view.host.engine["platform"])


def image_facts_of(image: Image, *, has_healthcheck: bool = False) -> ImageFacts:
    return ImageFacts(
        image_id=image.image_id or image.digest,
        repo_tags=tuple(image.tags),
        repo_digests=tuple(image.repo_digests),
        labels=image.labels,
        platform=Platform.parse(image.platform),
        created_at=image.image_created_at,
        size=image.size or 0,
        has_healthcheck=has_healthcheck,
    )


def candidate_of(row: CandidateRow) -> Candidate:
    return Candidate(
        reference=Reference.parse(row.reference),
        digest=row.digest,
        level=row.level,
        version=row.version,
        published_at=row.published_at,
        labels=row.labels,
    )
