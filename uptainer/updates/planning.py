"""What an update is about, and what would be done: read from the database and the engine, and nothing touched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from uptainer.backups.hooks import Hooks
from uptainer.backups.store import BackupStore, Stores
from uptainer.core.enums import ContainerStatus
from uptainer.core.errors import BusyError, InvalidInputError, NotFoundError, RefusedError, SupersededError
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.core.workloads import ContainerFacts, Mount
from uptainer.runtimes.capabilities import Capability
from uptainer.runtimes.port import ReplacementPlan, ReplacementRequest, Runtime
from uptainer.store.models import Container, ContainerHost, Server, Update
from uptainer.updates.options import UpdateOptions, choose_mounts
from uptainer.updates.steps import SNAPSHOT, Plan, sequence

RESTORE_FROM = "restore_from"
"""In the decision of a reversal that puts data back: the number of the backup that it comes from."""

RUNS = (ContainerStatus.RUNNING, ContainerStatus.RESTARTING)


@dataclass(frozen=True, slots=True)
class Subject:
    """An update, and where its workload is."""

    update: Update
    key: str
    host: str
    server: str

    def request(self, options: UpdateOptions, auth: Mapping[str, str] | None) -> ReplacementRequest:
        tag = Reference.parse(self.update.to_reference)
        return ReplacementRequest(
            key=self.key,
            image=tag.with_digest(self.update.to_digest),
            tag=tag,
            platform=Platform.parse(self.update.platform) if self.update.platform else None,
            stop_timeout=options.stop_timeout,
            keep_old=options.keep_old,
            registry_auth=auth,
            snapshot=options.back_up_volumes or options.restore_from is not None,
            snapshots_kept=options.snapshots_kept,
            overrule_gitops=options.overrule_gitops,
            health_deadline=options.health.deadline,
        )


def find_subject(session: Session, update_id: int) -> Subject:
    """Raises NotFoundError."""
    found = session.execute(
        select(Update, Container.key, ContainerHost.name, Server.name)
        .join(Container, Container.id == Update.container_id)
        .join(ContainerHost, ContainerHost.id == Container.host_id)
        .join(Server, Server.id == ContainerHost.server_id)
        .where(Update.id == update_id)
    ).one_or_none()
    if found is None:
        raise NotFoundError(f"there is no update {update_id}: see `uptainer updates` and `uptainer history`")
    update, key, host, server = found
    return Subject(update, key, host, server)


def make_plan(
    subject: Subject, runtime: Runtime, options: UpdateOptions, stores: Stores, recoveries: int = 0
) -> Plan:
    """What would be done to the workload as it is now.

    Raises:
        SupersededError: it is not what it was when the update was approved.
        RefusedError: it can't be replaced without losing something, or data that is to be kept could not be put back.
        NotFoundError, UnreachableError: the engine's; or there is no such backup store.
    """
    source = subject.update.decision.get(RESTORE_FROM)
    if source is not None:
        options = options.model_copy(update={"restore_from": source})
    facts = find_workload(runtime, subject)
    replacement = runtime.plan_replacement(subject.request(options, None))
    mounts = choose_mounts(facts.mounts, options)
    for mount in mounts:
        runtime.check_mount(subject.key, mount, alone=False)
    hooks = _hooks(facts, runtime, options, replacement)
    store = stores(options.backup_store)
    _refuse_unreadable(store, mounts)
    return Plan(
        steps=sequence(
            replacement, mounts, subject.key, restores=options.restore_from is not None, hooks=hooks
        ),
        document=dict(replacement.document),
        affected=tuple(each.key for each in replacement.affected if each.running),
        dependants=replacement.affected,
        same_identity=replacement.same_identity,
        mounts=mounts,
        backup_location=str(store.new(subject.host, subject.key, f"update-{subject.update.id}")),
        runtime_id=facts.runtime_id,
        image_id=facts.image_id,
        ran=facts.status in RUNS,
        options=options.model_dump(mode="json"),
        recoveries=recoveries,
    )


def _refuse_unreadable(store: BackupStore, mounts: Sequence[Mount]) -> None:
    """An update that could not put the data back by itself has no way back."""
    if mounts and not store.opens:
        raise RefusedError(
            f"the backup store {store.block!r} encrypts to keys that it cannot open, so that an undo could not put the data "
            "back: give its block the private key, or keep this workload's backups in another store"
        )


def _hooks(
    facts: ContainerFacts, runtime: Runtime, options: UpdateOptions, replacement: ReplacementPlan
) -> Hooks | None:
    """Those of a backup of data, in what runs. Raises UnsupportedError where nothing can be run in it."""
    has_data = choose_mounts(facts.mounts, options) or any(
        step.name == SNAPSHOT for step in replacement.steps
    )
    if not (options.hooks and options.back_up_volumes and has_data and facts.status in RUNS):
        return None
    runtime.capabilities(facts.workload_kind).require(Capability.EXEC, facts.key)
    return options.hooks


def find_workload(runtime: Runtime, subject: Subject) -> ContainerFacts:
    """The workload as it is now.

    Raises:
        SupersededError: it is gone, or runs another image than when the update was proposed.
        BusyError: it is not known what image runs.
    """
    facts = next((each for each in runtime.containers() if each.key == subject.key), None)
    if facts is None:
        raise SupersededError(f"{subject.key} is not on {subject.host} any more")
    if not _is_image_of(facts, subject.update):
        if not facts.knows_image:
            raise BusyError(f"it is not known which image {subject.key} runs: no instance of it is seen")
        was = subject.update.from_reference
        raise SupersededError(
            f"{subject.key} runs another image than when this was proposed ({was}): somebody replaced it"
        )
    return facts


def _is_image_of(facts: ContainerFacts, update: Update) -> bool:
    """An engine may come to know the same image by another id; its registry's digest says that it is the same."""
    return facts.image_id == update.from_image_id or any(
        each.endswith(f"@{update.from_digest}") for each in facts.repo_digests
    )


def options_of(plan: Plan) -> UpdateOptions:
    """The options that the update was begun with."""
    try:
        return UpdateOptions.model_validate(plan.options)
    except ValueError as error:
        raise InvalidInputError(f"the plan of this update was written by another version: {error}") from error
