"""One update under way: what its steps are done with, and which code does which."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from uptainer.backups.store import Stores
from uptainer.core.clock import Clock
from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import NotFoundError, RefusedError, SupersededError, TemporaryError
from uptainer.core.images import ImageFacts
from uptainer.core.workloads import is_known_image
from uptainer.runtimes.port import ReplacementRequest, Runtime
from uptainer.updates import steps
from uptainer.updates.dependants import refuse_changed
from uptainer.updates.journal import Journal, Record
from uptainer.updates.keeping import Keeper
from uptainer.updates.planning import Subject, options_of
from uptainer.updates.steps import Entry, Plan, PlannedStep

Ask = Callable[[], str]
"""Says why an update may not begin now, or, once it is prepared, not touch its workload; "" where it may."""


def unhindered() -> str:
    """Where somebody else asks."""
    return ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where an update stands, and why."""

    update_id: int
    status: UpdateStatus
    reason: str


@dataclass(frozen=True, slots=True)
class Run:
    """`registry_auth` is held here, and nowhere that outlives the process."""

    journal: Journal
    runtime: Runtime
    subject: Subject
    plan: Plan
    stores: Stores
    clock: Clock
    registry_auth: Mapping[str, str] | None = None
    ask_hindrance: Ask = unhindered

    @property
    def request(self) -> ReplacementRequest:
        return self.subject.request(options_of(self.plan), self.registry_auth)

    @property
    def keeper(self) -> Keeper:
        return Keeper(self.journal, self.runtime, self.subject, self.plan, self.stores, self.clock)

    def perform(self, step: PlannedStep, record: Record) -> Mapping[str, Any]:
        match step.name:
            case steps.SAVE_CONFIGURATION:
                return self.keeper.save_configuration()
            case steps.BEFORE_BACKUP | steps.AFTER_BACKUP:
                return self.keeper.run_hook(before=step.name == steps.BEFORE_BACKUP)
            case steps.BACK_UP_VOLUMES:
                return self.keeper.back_up_volumes()
            case steps.RESTORE_VOLUMES:
                return self.keeper.restore_volumes(options_of(self.plan).restore_from or 0)
            case steps.VALIDATE:
                return self.keeper.validate(options_of(self.plan).health, self.new_image().image_id)
            case name:
                return self.runtime.perform(name, self.request, self.plan.document, record.results)

    def revert(self, entry: Entry, record: Record) -> None:
        """What was kept stays kept; a look at the new container, and data put back before, have no undo of their own."""
        match entry.name:
            case steps.SAVE_CONFIGURATION:
                self.keeper.forget_partial()
            case steps.BEFORE_BACKUP:
                self.keeper.end_hook()
            case steps.AFTER_BACKUP:
                pass
            case steps.BACK_UP_VOLUMES:
                self.keeper.forget_partial()
                self.keeper.put_back_volumes(record)
            case steps.RESTORE_VOLUMES | steps.VALIDATE:
                pass
            case name:
                self.runtime.revert(name, self.request, self.plan.document, record.results)

    def check_before_touch(self, record: Record) -> None:
        """The last look before the running workload is touched.

        Raises:
            SupersededError: the workload was replaced or recreated since it was planned.
            RefusedError: what was pulled and created is not the digest that was approved, or data would be put back into
                volumes that it does not have any more.
            TemporaryError: what goes down and up with it is not what it was planned for any more, or it is not known
                what runs.
        """
        key = self.subject.key
        state = self.runtime.state(key)
        if not is_known_image(state.image_id):
            raise TemporaryError(f"{key} has come to rest meanwhile, and it is not known which image it runs")
        if (state.runtime_id, state.image_id) != (self.plan.runtime_id, self.plan.image_id):
            raise SupersededError(f"{key} was replaced by somebody else while this was prepared")
        pulled = self.new_image()
        approved = self.subject.update.to_digest
        if approved != pulled.image_id and not any(
            each.endswith(f"@{approved}") for each in pulled.repo_digests
        ):
            raise RefusedError(
                f"what was pulled for {key} is {pulled.image_id}, and not the approved {approved}"
            )
        created = [result["image_id"] for result in record.results.values() if "image_id" in result]
        if any(image_id != pulled.image_id for image_id in created):
            raise RefusedError(f"the new {key} was created from {created}, and not from {pulled.image_id}")
        restored = options_of(self.plan).restore_from
        if restored is not None:
            self.keeper.check_restore(restored)
        refuse_changed(self.subject, self.plan.dependants, self.runtime.affected_by(key))

    def new_image(self) -> ImageFacts:
        """By its digest in the registry, or by its id where it came from no registry."""
        try:
            return self.runtime.image(str(self.request.image))
        except NotFoundError:
            return self.runtime.image(self.subject.update.to_digest)
