"""Taking a finished update back later: an update of its own, to what ran before, through the same engine."""

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from uptainer.backups.backup import Backup, verify
from uptainer.backups.restore import refuse_other_volumes
from uptainer.backups.store import Stores
from uptainer.core.enums import ApprovalDecision, BackupStatus, ChangeLevel, UpdateStatus
from uptainer.core.errors import InvalidInputError, NotFoundError, RefusedError
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.models import ContainerBackup, Update
from uptainer.store.repositories.approvals import Answer, ApprovalRepository
from uptainer.store.repositories.proposals import Proposal
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.keeping import read_backup
from uptainer.updates.planning import RESTORE_FROM, Subject, find_subject


def reverse(
    update_id: int,
    database: Database,
    runtime: Runtime,
    answer: Answer,
    now: datetime,
    *,
    stores: Stores,
    with_data: bool = False,
) -> int:
    """Make the update that takes a finished one back, approved by who asks for it; returns its id, for `apply`.

    `with_data` puts the volumes back as they were before the update: what was written since is lost to the workload,
    and kept in the backup that the reversal makes first.

    Raises:
        RefusedError: it did not succeed, was taken back already, a later one stands on it, something else runs now, it
            has other volumes now, or what is needed was not kept. The message says which.
        NotFoundError: there is no such update.
        PermanentError: the backup is damaged.
    """
    if answer.decision is not ApprovalDecision.APPROVE:
        raise InvalidInputError("a reversal is asked for by approving it")
    with database.session() as session:
        subject = find_subject(session, update_id)
        _refuse_unfinished(session, subject.update)
        backup = _backup_of(session, update_id) if with_data else None
    image_id = _running_image(runtime, subject)
    _refuse_without_image(runtime, subject.update)
    if backup is not None:
        _check_data(read_backup(backup, stores), runtime, subject.key)
    with database.session() as session:
        return _create(session, subject.update, answer, now, image_id=image_id, backup=backup)


def _refuse_unfinished(session: Session, update: Update) -> None:
    if update.status is not UpdateStatus.SUCCEEDED:
        raise RefusedError(
            f"update {update.id} is {update.status}: only one that succeeded can be taken back"
        )
    later = (
        Update.container_id == update.container_id,
        Update.status == UpdateStatus.SUCCEEDED,
        Update.id > update.id,
    )
    if session.scalar(select(exists().where(Update.reverses_id == update.id, *later))):
        raise RefusedError(f"update {update.id} was taken back already")
    newest = session.scalars(
        select(Update.id).where(*later).order_by(Update.id.desc()).limit(1)
    ).one_or_none()
    if newest is not None:
        raise RefusedError(
            f"update {newest} of {update.workload} came after {update.id}: take that one back first"
        )


def _backup_of(session: Session, update_id: int) -> ContainerBackup:
    row = session.scalars(
        select(ContainerBackup).where(
            ContainerBackup.update_id == update_id, ContainerBackup.status == BackupStatus.SUCCEEDED
        )
    ).one_or_none()
    if row is None or not row.archives:
        raise RefusedError(f"update {update_id} kept no data, so none can be put back")
    return row


def _running_image(runtime: Runtime, subject: Subject) -> str:
    update = subject.update
    image_id = runtime.state(subject.key).image_id
    image = runtime.image(image_id)
    if update.to_digest != image_id and not any(
        each.endswith(f"@{update.to_digest}") for each in image.repo_digests
    ):
        raise RefusedError(
            f"{subject.key} does not run what update {update.id} brought: somebody replaced it since"
        )
    return image_id


def _refuse_without_image(runtime: Runtime, update: Update) -> None:
    """An image that a registry has can be pulled again; one that was built on the spot has to be here still."""
    if update.from_digest != update.from_image_id:
        return
    try:
        runtime.image(update.from_image_id)
    except NotFoundError as error:
        raise RefusedError(
            f"the image {update.from_image_id} that ran before is not kept, and came from no registry"
        ) from error


def _check_data(backup: Backup, runtime: Runtime, key: str) -> None:
    mounts = next((each.mounts for each in runtime.containers() if each.key == key), ())
    refuse_other_volumes(backup, key, mounts)
    verify(backup)


def _create(
    session: Session,
    reversed_: Update,
    answer: Answer,
    now: datetime,
    *,
    image_id: str,
    backup: ContainerBackup | None,
) -> int:
    updates = UpdateRepository(session)
    decision = {RESTORE_FROM: backup.id} if backup else {}
    made = updates.propose([_proposal(reversed_, image_id, decision)], now, answer.by).created
    if not made:
        raise RefusedError(f"another update of {reversed_.workload} is under way: wait for its end")
    reason = f"takes update {reversed_.id} back" + (f": {answer.reason}" if answer.reason else "")
    ApprovalRepository(session).record(made[0], answer, now)
    updates.transition(
        made[0].id, (UpdateStatus.PROPOSED,), UpdateStatus.APPROVED, reason=reason, actor=answer.by, now=now
    )
    return made[0].id


def _proposal(reversed_: Update, image_id: str, decision: dict[str, int]) -> Proposal:
    return Proposal(
        container_id=reversed_.container_id,
        candidate_id=None,
        host_name=reversed_.host_name,
        workload=reversed_.workload,
        from_reference=reversed_.to_reference,
        from_digest=reversed_.to_digest,
        from_image_id=image_id,
        from_version=reversed_.to_version,
        to_reference=reversed_.from_reference,
        to_digest=reversed_.from_digest,
        to_version=reversed_.from_version,
        level=ChangeLevel.UNORDERED,
        decision=decision,
        policy=reversed_.policy,
        platform=reversed_.platform,
        reverses_id=reversed_.id,
        over_approved=True,
    )
