"""Labels as a layer of policy: ours, those of other tools, and what happens to a wrong one."""

from datetime import timedelta
from typing import Any

import pytest

from uptainer.core.enums import ChangeLevel, Consistency, PolicyMode, PolicyScope, Severity
from uptainer.policy.fields import GitOps, TagScheme, Unscanned
from uptainer.policy.labels import LabelReading, read_labels
from uptainer.policy.layers import Layer, merge
from uptainer.policy.probes import ExecProbe, HttpProbe, TcpProbe
from uptainer.policy.settings import parse_settings

WATCHTOWER = "com.centurylinklabs.watchtower"


def values(reading: LabelReading) -> dict[str, Any]:
    return {name: value for name in reading.sources if (value := getattr(reading.settings, name)) is not None}


FOLLOWED: list[tuple[str, str, dict[str, Any]]] = [
    ("uptainer.enable", "false", {"enabled": False}),
    ("uptainer.enable", "True", {"enabled": True}),
    ("uptainer.mode", "auto-if-recommended", {"mode": PolicyMode.AUTO_IF_RECOMMENDED}),
    ("uptainer.level", "patch", {"level": ChangeLevel.PATCH}),
    ("uptainer.auto-level", "none", {"auto_level": "none"}),
    ("uptainer.min-age", "3d", {"min_age": timedelta(days=3)}),
    ("uptainer.tags.scheme", "calver", {"tag_scheme": TagScheme.CALVER}),
    ("uptainer.tags.include", r"^\d+\.\d+$", {"tag_include": r"^\d+\.\d+$"}),
    ("uptainer.tags.exclude", "beta", {"tag_exclude": "beta"}),
    ("uptainer.tags.transform", r"^v(.*)$ => $1", {"tag_transform": r"^v(.*)$ => $1"}),
    ("uptainer.tags.follow-pinned", "yes", {"follow_pinned": True}),
    ("uptainer.group", " shop ", {"group": "shop"}),
    ("uptainer.depends-on", "db, cache", {"depends_on": ("db", "cache")}),
    ("uptainer.probe.http", "8080/healthz", {"probes": (HttpProbe(port=8080, path="/healthz"),)}),
    ("uptainer.probe.http", "8080", {"probes": (HttpProbe(port=8080),)}),
    ("uptainer.probe.http", "https:8443/up?full=1", {"probes": (HttpProbe(port=8443, path="/up?full=1", scheme="https"),)}),
    ("uptainer.probe.tcp", "5432", {"probes": (TcpProbe(port=5432),)}),
    ("uptainer.probe.exec", "pg_isready -U 'the user'", {"probes": (ExecProbe(command=("pg_isready", "-U", "the user")),)}),
    ("uptainer.probe.soak", "2m", {"soak": timedelta(minutes=2)}),
    ("uptainer.probe.deadline", "10m", {"health_deadline": timedelta(minutes=10)}),
    ("uptainer.stop-timeout", "90s", {"stop_timeout": timedelta(seconds=90)}),
    ("uptainer.backup.volumes", "true", {"backup_volumes": True}),
    ("uptainer.backup.every", "1d", {"backup_every": timedelta(days=1)}),
    ("uptainer.backup.keep", "5", {"backup_keep": 5}),
    ("uptainer.backup.keep-for", "30d", {"backup_keep_for": timedelta(days=30)}),
    ("uptainer.backup.store", "offsite", {"backup_store": "offsite"}),
    ("uptainer.backup.consistency", "Pause", {"backup_consistency": Consistency.PAUSE}),
    ("uptainer.hook.backup-before", "sh -c 'dump > /data/d'", {"backup_before": ("sh", "-c", "dump > /data/d")}),
    ("uptainer.hook.backup-after", "rm /data/d", {"backup_after": ("rm", "/data/d")}),
    ("uptainer.hook.timeout", "90s", {"backup_hook_timeout": timedelta(seconds=90)}),
    ("uptainer.security.new-critical", "any", {"new_critical_allowed": "any"}),
    ("uptainer.security.new-high", "2", {"new_high_allowed": 2}),
    ("uptainer.security.unscanned", "block", {"unscanned": Unscanned.BLOCK}),
    ("uptainer.security.fast-track", "high", {"fast_track": Severity.HIGH}),
    ("uptainer.approval.expiry", "2d", {"approval_expiry": timedelta(days=2)}),
    ("uptainer.gitops", "update", {"gitops": GitOps.UPDATE}),
    (f"{WATCHTOWER}.enable", "false", {"enabled": False}),
    (f"{WATCHTOWER}.enable", "true", {"enabled": True}),
    (f"{WATCHTOWER}.monitor-only", "true", {"mode": PolicyMode.NOTIFY}),
    (f"{WATCHTOWER}.monitor-only", "false", {}),
    (f"{WATCHTOWER}.depends-on", "/db,cache", {"depends_on": ("db", "cache")}),
    ("wud.watch", "false", {"enabled": False}),
    ("wud.tag.include", r"^\d+$", {"tag_include": r"^\d+$"}),
    ("wud.tag.exclude", "rc", {"tag_exclude": "rc"}),
    ("wud.tag.transform", "^(.*)-x$ => $1", {"tag_transform": "^(.*)-x$ => $1"}),
    ("diun.enable", "true", {"enabled": True}),
    ("diun.include_tags", "^1;^2", {"tag_include": "(?:^1)|(?:^2)"}),
    ("diun.exclude_tags", "rc", {"tag_exclude": "rc"}),
    ("keel.sh/policy", "minor", {"level": ChangeLevel.MINOR}),
    ("keel.sh/policy", "never", {"enabled": False}),
    ("io.containers.autoupdate", "registry", {"level": ChangeLevel.DIGEST}),
    ("io.containers.autoupdate", "image", {"level": ChangeLevel.DIGEST}),
    ("io.containers.autoupdate", "disabled", {"enabled": False}),
    ("keel.sh/approvals", "1", {"mode": PolicyMode.MANUAL}),
    ("keel.sh/approvals", "0", {}),
    ("keel.sh/approvalDeadline", "12", {"approval_expiry": timedelta(hours=12)}),
    ("com.centurylinklabs.watchtower.scope", "home", {}),
    ("keel.sh/trigger", "poll", {}),
    ("diun.watch_repo", "true", {}),
    ("org.opencontainers.image.version", "1.2", {}),
    ("wud.display.icon", "mdi:docker", {}),
]  # fmt: skip


@pytest.mark.parametrize(("label", "value", "expected"), FOLLOWED)
def test_a_label_is_followed(label: str, value: str, expected: dict[str, Any]) -> None:
    reading = read_labels({label: value}, {})
    assert reading.faults == ()
    assert values(reading) == expected
    assert set(reading.sources.values()) <= {label}


REFUSED = [
    ("uptainer.enable", "fasle", "write true or false"),
    ("uptainer.mode", "sometimes", "Input should be 'manual'"),
    ("uptainer.min-age", "3", "write it with its unit"),
    ("uptainer.level", "unordered", "Input should be"),
    ("uptainer.windows", "Fri 22:00-05:00 Mars/Base", "is not a time zone"),
    ("uptainer.windows", "nightly", "there is no maintenance window named 'nightly'"),
    ("uptainer.tags.include", "(", "is refused"),
    ("uptainer.tags.include", "^(?!beta)", "not known to RE2"),
    ("uptainer.tags.transform", "^v(.*)$", "PATTERN => REPLACEMENT"),
    ("uptainer.tags.transform", "^v => $1", "uses $1"),
    ("uptainer.tag.include", "x", "did you mean uptainer.tags.include?"),
    ("uptainer.hook.pre-update", "x", "there is no such label"),
    ("uptainer.probe.http", "web/healthz", "valid integer"),
    ("uptainer.probe.exec", "echo 'open", "No closing quotation"),
    ("uptainer.probe.exec", "", "at least 1 item"),
    ("uptainer.probe.timeout", "5s", "no probe label"),
    ("uptainer.backup.keep", "0", "greater than or equal to 1"),
    ("uptainer.backup.consistency", "frozen", "'stop', 'pause' or 'live'"),
    ("uptainer.hook.backup-before", "sh -c 'dump", "No closing quotation"),
    (f"{WATCHTOWER}.enable", "maybe", "neither true nor false"),
    (f"{WATCHTOWER}.lifecycle.pre-update", "/dump.sh", "hooks are not run here"),
    (f"{WATCHTOWER}.no-pull", "true", "pulled by digest"),
    ("wud.tag.include", "^(?!rc)", "not known to RE2"),
    ("io.containers.autoupdate", "local", "the host's own storage"),
    ("keel.sh/policy", "force", "only never, patch, minor and major"),
    ("keel.sh/policy", "glob:1.*", "only never, patch, minor and major"),
    ("keel.sh/approvals", "2", "by one person"),
    ("keel.sh/approvalDeadline", "a day", "number of hours"),
    ("keel.sh/approvalDeadline", "0", "number of hours"),
    ("keel.sh/monitorContainers", "^app$", "say uptainer.enable=false"),
]


@pytest.mark.parametrize(("label", "value", "reason"), REFUSED)
def test_a_wrong_label_changes_nothing_and_is_named_with_its_reason(
    label: str, value: str, reason: str
) -> None:
    reading = read_labels({label: value}, {})
    assert values(reading) == {}
    (fault,) = reading.faults
    assert (fault.label, fault.value) == (label, value)
    assert reason in str(fault)


def test_one_wrong_label_does_not_take_the_others_with_it() -> None:
    reading = read_labels({"uptainer.enable": "true", "uptainer.min-age": "soon"}, {})
    assert values(reading) == {"enabled": True}
    assert [fault.label for fault in reading.faults] == ["uptainer.min-age"]


def test_an_own_label_wins_over_another_tools() -> None:
    reading = read_labels({"wud.tag.include": "^(?!x)", "uptainer.tags.include": "^2"}, {})
    assert reading.settings.tag_include == "^2"
    assert reading.faults == ()


def test_another_tools_label_does_not_step_in_for_a_mistyped_own_one() -> None:
    reading = read_labels({"uptainer.enable": "fasle", f"{WATCHTOWER}.enable": "true"}, {})
    assert reading.settings.enabled is None
    assert [fault.label for fault in reading.faults] == ["uptainer.enable"]


def test_two_tools_that_disagree_leave_it_to_a_person() -> None:
    reading = read_labels({"wud.watch": "true", "diun.enable": "false"}, {})
    assert reading.settings.enabled is None
    assert "contradicts diun.enable" in str(reading.faults[0])


def test_two_tools_that_agree_are_followed() -> None:
    assert read_labels({"wud.watch": "false", "diun.enable": "false"}, {}).settings.enabled is False


def test_a_label_that_comes_with_the_image_is_not_followed() -> None:
    labels = {"uptainer.mode": "auto"}
    reading = read_labels(labels, labels)
    assert reading.settings.mode is None
    assert "only labels set on the container" in str(reading.faults[0])


def test_a_label_that_the_container_sets_differently_from_its_image_is_followed() -> None:
    reading = read_labels({"uptainer.mode": "manual"}, {"uptainer.mode": "auto"})
    assert reading.settings.mode is PolicyMode.MANUAL


def test_several_probes_share_one_timeout() -> None:
    reading = read_labels(
        {"uptainer.probe.http": "80", "uptainer.probe.tcp": "81", "uptainer.probe.timeout": "9s"}, {}
    )
    nine = timedelta(seconds=9)
    assert reading.settings.probes == (HttpProbe(port=80, timeout=nine), TcpProbe(port=81, timeout=nine))
    assert reading.sources["probes"] == "uptainer.probe.http, uptainer.probe.tcp"


def test_a_label_may_name_a_stored_window_beside_one_written_out() -> None:
    stored = {"nightly": "daily 02:00-04:00 UTC"}
    reading = read_labels({"uptainer.windows": "nightly | Fri 22:00-05:00 UTC"}, {}, windows=stored)
    assert [window.zone for window in reading.settings.windows or ()] == ["UTC", "UTC"]


def test_the_stored_policy_that_a_label_asks_for_is_named() -> None:
    reading = read_labels({"uptainer.policy": " careful "}, {})
    assert (reading.policy, reading.faults) == ("careful", ())
    assert read_labels({}, {}).policy is None


def test_single_labels_win_over_a_stored_policy_that_comes_before_them() -> None:
    reading = read_labels({"uptainer.min-age": "3d"}, {})
    careful = Layer(PolicyScope.LABEL, "careful", parse_settings({"mode": "auto", "min_age": "7d"}))
    policy = merge([careful, Layer(PolicyScope.LABEL, "", reading.settings, reading.sources)])
    assert (policy.mode, policy.min_age) == (PolicyMode.AUTO, timedelta(days=3))
    assert str(policy.source("mode")) == "the policy careful"
    assert str(policy.source("min_age")) == "the label uptainer.min-age"
