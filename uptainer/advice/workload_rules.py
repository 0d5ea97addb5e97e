"""Rules about the workload: the data it keeps, whether its health can be seen, and how earlier tries ended."""

from uptainer.advice.change_rules import effective_level
from uptainer.advice.judgements import APPLY, HOLD, REVIEW, Judgement
from uptainer.advice.stateful import Store, Upgrade, known_store
from uptainer.advice.subject import AdviceSubject
from uptainer.advice.tags import numbers_of
from uptainer.core.enums import ChangeLevel, UpdateStatus
from uptainer.core.workloads import Mount

_MIGRATION_POINTS = 50
_ONE_WAY_POINTS = 30
_UNSEEN_POINTS = 20
_STATE_POINTS = 5
_MAJOR_STATE_POINTS = 15
_BLIND_POINTS = 10
_SAME_DIGEST_POINTS = 75
_SAME_VERSION_POINTS = 40
_FAILED = {
    UpdateStatus.FAILED,
    UpdateStatus.ROLLING_BACK,
    UpdateStatus.ROLLED_BACK,
    UpdateStatus.ROLLBACK_FAILED,
}
_NOT_DATA = ("/etc/localtime", "/etc/timezone", "/var/run/", "/run/", "/proc", "/sys", "/dev")


def judge_state(subject: AdviceSubject) -> Judgement:
    """Databases and their like first, by name; then any workload that writes to volumes."""
    store = known_store(subject.candidate.reference)
    return _judge_store(subject, store) if store else _judge_mounts(subject)


def judge_healthcheck(subject: AdviceSubject) -> Judgement:
    if subject.has_healthcheck:
        return Judgement("health check", "a health check says whether the new version works", in_favour=True)
    reason = "there is no health check: a version that starts and does not work would go unseen"
    return Judgement("health check", reason, _BLIND_POINTS)


def judge_failures(subject: AdviceSubject) -> Judgement:
    """Earlier updates of this workload to the same digest, or to the same version built anew."""
    failures = (failure for failure in subject.failures if failure.status in _FAILED)
    newest_first = sorted(failures, key=lambda failure: failure.at, reverse=True)
    same = [failure for failure in newest_first if failure.digest == subject.candidate.digest]
    if same:
        reason = f"this very image was tried on {same[0].at:%Y-%m-%d} and {_outcome(same[0].status)}: {same[0].reason}"
        return Judgement("earlier failures", reason.rstrip(": "), _SAME_DIGEST_POINTS, HOLD)
    version = subject.version_after
    alike = [failure for failure in newest_first if version is not None and failure.version == version]
    if alike:
        reason = f"version {version} was tried on {alike[0].at:%Y-%m-%d} and {_outcome(alike[0].status)}"
        return Judgement(
            "earlier failures", f"{reason}; this is another build of it", _SAME_VERSION_POINTS, REVIEW
        )
    return Judgement("earlier failures", "no earlier try of this version failed")


def data_mounts(mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
    """Those that the workload can write its own data to: no sockets, devices and clock files."""
    return tuple(
        mount
        for mount in mounts
        if mount.kind in {"volume", "bind", "cluster"}
        and not mount.read_only
        and not mount.source.endswith(".sock")
        and not mount.destination.startswith(_NOT_DATA)
    )


def _judge_store(subject: AdviceSubject, store: Store) -> Judgement:
    level = effective_level(subject)
    if level in {ChangeLevel.MAJOR, ChangeLevel.UNORDERED}:
        return _judge_upgrade(
            store, store.on_major, "a major upgrade" if level is ChangeLevel.MAJOR else "an upgrade"
        )
    if level is ChangeLevel.MINOR:
        return _judge_upgrade(store, store.on_minor, "a minor upgrade")
    if level is ChangeLevel.DIGEST and not _is_version_held(subject):
        reason = (
            f"{store.name} keeps data, and the tag {subject.reference.tag} may go over a major version unseen"
        )
        return Judgement("stateful", f"{reason}: {store.advice}", _UNSEEN_POINTS, REVIEW)
    return Judgement(
        "stateful", f"{store.name} keeps data; this change leaves its format alone", _STATE_POINTS
    )


def _judge_upgrade(store: Store, upgrade: Upgrade, change: str) -> Judgement:
    if upgrade is Upgrade.COMPATIBLE:
        return Judgement(
            "stateful", f"{store.name} keeps data, which {change} can read as it is", _STATE_POINTS
        )
    points, asks_for = (_ONE_WAY_POINTS, REVIEW)
    if upgrade is Upgrade.MIGRATED_BY_HAND or change != "a minor upgrade":
        points, asks_for = (_MIGRATION_POINTS, HOLD)
    return Judgement(
        "stateful", f"{change} of {store.name} changes its data: {store.advice}", points, asks_for
    )


def _is_version_held(subject: AdviceSubject) -> bool:
    """Whether the tag itself names a major version, or both sides' versions are known."""
    if numbers_of(subject.reference.tag or ""):
        return True
    return bool(numbers_of(subject.version_before or "") and numbers_of(subject.version_after or ""))


def _judge_mounts(subject: AdviceSubject) -> Judgement:
    mounts = data_mounts(subject.mounts)
    if not mounts:
        return Judgement("stateful", "it writes to no volume")
    where = ", ".join(sorted(mount.destination for mount in mounts)[:3])
    if effective_level(subject) in {ChangeLevel.MAJOR, ChangeLevel.UNORDERED}:
        reason = f"it keeps data in {where}, which a major change may convert for good: back it up first"
        return Judgement("stateful", reason, _MAJOR_STATE_POINTS, REVIEW)
    return Judgement("stateful", f"it keeps data in {where}", _STATE_POINTS, APPLY)


def _outcome(status: UpdateStatus) -> str:
    return {
        UpdateStatus.ROLLING_BACK: "is being rolled back",
        UpdateStatus.ROLLED_BACK: "rolled back",
        UpdateStatus.ROLLBACK_FAILED: "could not be rolled back",
    }.get(status, "failed")
