"""How an update is carried out, as it is stored with its plan so that another process carries it on alike."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from uptainer.backups.hooks import Hooks
from uptainer.core.workloads import Mount
from uptainer.policy.fields import GitOps
from uptainer.policy.settings import EffectivePolicy, Source
from uptainer.updates.health import HealthPlan


class UpdateOptions(BaseModel):
    """`backup_store` is the block of the store that backups go to, "" the local directory. `host_slots` and `server_slots` are how many updates may run
    at once there. `keep_old` keeps the old container, stopped, beside its image. `hooks` are run
    around the backup of its data. `restore_from` is the
    number of a backup whose data is put back while nothing runs (`reversal`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backup_store: str = ""
    back_up_volumes: bool = False
    hooks: Hooks = Hooks()
    health: HealthPlan = HealthPlan()
    stop_timeout: timedelta | None = None
    keep_old: bool = False
    overrule_gitops: bool = False
    snapshots_kept: int = Field(default=3, ge=1)
    restore_from: int | None = None
    host_slots: int = Field(default=2, ge=1)
    server_slots: int = Field(default=4, ge=1)

    @classmethod
    def of(cls, policy: EffectivePolicy, *, host_slots: int = 2, server_slots: int = 4) -> Self:
        return cls(
            backup_store=policy.backup_store,
            back_up_volumes=policy.backup_volumes,
            hooks=hooks_of(policy),
            health=health_of(policy),
            stop_timeout=policy.stop_timeout,
            keep_old=policy.keep_old_container > timedelta(0),
            overrule_gitops=policy.gitops is GitOps.UPDATE,
            snapshots_kept=policy.backup_keep,
            host_slots=host_slots,
            server_slots=server_slots,
        )


def health_of(policy: EffectivePolicy) -> HealthPlan:
    """The built-in soak is for what has no other proof; one that somebody set is waited for in any case."""
    return HealthPlan(
        probes=policy.probes,
        soak=policy.soak,
        soaks=policy.source("soak") != Source(),
        deadline=policy.health_deadline,
    )


def hooks_of(policy: EffectivePolicy) -> Hooks:
    return Hooks(before=policy.backup_before, after=policy.backup_after, timeout=policy.backup_hook_timeout)


def choose_mounts(mounts: Sequence[Mount], options: UpdateOptions) -> tuple[Mount, ...]:
    """The volumes that the container can write to. A bind is a directory of the machine's, and its owner's to back up."""
    if not options.back_up_volumes and options.restore_from is None:
        return ()
    return tuple(mount for mount in mounts if mount.kind == "volume" and not mount.read_only)
