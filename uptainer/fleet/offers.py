"""Which candidates are still offers, whatever became of the container and its policy since they were found."""

from collections.abc import Collection, Sequence

from uptainer.core.enums import ChangeLevel
from uptainer.core.errors import InvalidInputError
from uptainer.core.reference import Reference
from uptainer.fleet.policies import ContainerPolicy
from uptainer.fleet.scope import left_alone
from uptainer.fleet.views import repo_digests_of
from uptainer.images.tag_policy import TagPolicy
from uptainer.store.models import CandidateRow
from uptainer.store.repositories.containers import ContainerView


def offers(
    view: ContainerView, policy: ContainerPolicy, rows: Sequence[CandidateRow], wanted: Collection[int]
) -> tuple[CandidateRow, ...]:
    """What was found and not taken back, without what runs by now, and what is not newer than that.

    A registry that answers in part leaves what it found for an earlier image. `wanted` count in any case, by their ids.
    """
    if left_alone(view) is not None:
        return ()
    running = {view.container.image_id, *(each.rpartition("@")[2] for each in repo_digests_of(view))}
    found = [row for row in rows if row.digest not in running]
    if not found:
        return ()
    try:
        reference, tags = Reference.parse(view.container.image_reference), policy.tags
    except InvalidInputError:
        return tuple(found)
    return tuple(row for row in found if row.id in wanted or _is_newer(row, reference, tags))


def _is_newer(row: CandidateRow, running: Reference, tags: TagPolicy) -> bool:
    """What cannot be compared is an offer for as long as its registry gives it."""
    tag, offered = running.tag or "latest", Reference.parse(row.reference)
    if row.level is ChangeLevel.DIGEST:
        return (offered.name, offered.tag) == (running.name, tag)
    before, after = tags.read(tag), tags.read(offered.tag or "")
    if before is None or after is None or not after.is_comparable_to(before):
        return True
    return tags.admits(offered.tag or "") and after.is_newer_than(before)
