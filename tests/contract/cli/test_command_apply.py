"""`uptainer apply`: the fleet as a file says."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.contract.cli.test_command_policies import effective
from tests.lab.commands import uptainer
from tests.lab.stocked import Stocked
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.workloads import HostAddress
from uptainer.store.database import Database
from uptainer.store.models import Server
from uptainer.store.repositories.audit import AuditRepository
from uptainer.store.repositories.hosts import HostRepository

FLEET = """
hosts:
  nas: {url: unix:///run/nas.sock}
  prod:
    url: https://cluster.example:6443
    block: prod-token
    namespaces: [shop-*]
windows:
  nights: Fri 22:00-05:00 Europe/Berlin
freezes:
  holidays: 2026-12-20 00:00 to 2027-01-02 06:00 UTC
policies:
  default: {mode: manual, windows: nights, freezes: [holidays]}
  hosts:
    nas: {mode: auto, auto_level: patch}
  containers:
    nas/db: {mode: notify, min_age: 3d}
credentials:
  ghcr.io: ghcr
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "uptainer.yaml"
    made.write_text(FLEET)
    return made


def apply(file: Path, *words: str) -> dict[tuple[str, str], tuple[object, object]]:
    lines = uptainer("apply", "-f", str(file), "--json", *words).json
    return {(line["what"], line["name"]): (line["before"], line["after"]) for line in lines}


def test_a_file_may_come_by_a_pipe_within_bounds(empty: Database) -> None:
    assert uptainer("apply", "-f", "-", "--yes", piped=FLEET).out.endswith("Done: 8 changes.\n")
    assert (
        uptainer("apply", "-f", "-", "--yes", piped=FLEET).out
        == "Nothing to change: the fleet is as declared.\n"
    )
    assert "standard input has more than" in uptainer("apply", "-f", "-", piped="#" * 2**23).err


def test_what_is_declared_is_stored_and_a_second_time_changes_nothing(empty: Database, file: Path) -> None:
    made = apply(file, "--yes")
    assert list(made) == [
        ("window", "nights"),
        ("freeze", "holidays"),
        ("credentials", "ghcr.io"),
        ("host", "nas"),
        ("host", "prod"),
        ("default policy", ""),
        ("host policy", "nas"),
        ("container policy", "nas/db"),
    ]
    assert apply(file, "--yes") == {}
    assert "as declared" in uptainer("apply", "-f", str(file)).out
    (prod,) = [line for line in uptainer("host", "list", "--json").json if line["name"] == "prod"]
    assert prod["block"] == "prod-token"
    with empty.session() as session:
        actions = {entry.action for entry in AuditRepository(session).listing()}
    assert {"window.put", "policy.put", "host.added", "credential.put"} <= actions


def test_the_difference_is_shown_and_nothing_is_done_without_a_yes(stocked: Stocked, file: Path) -> None:
    uptainer("policy", "set", "default", "mode=off")
    shown = uptainer("apply", "-f", str(file), "--dry-run").out
    assert "+ window nights" in shown
    assert '~ default policy\n    mode: off -> manual\n    windows: (not said) -> ["nights"]' in shown
    refused = uptainer("apply", "-f", str(file))
    assert refused.code == 1
    assert "add --yes" in refused.err
    assert uptainer("window", "list", "--json").json == []
    assert effective(stocked.database).mode == "off"


def test_what_is_not_declared_stays_unless_it_is_to_be_pruned(stocked: Stocked, tmp_path: Path) -> None:
    uptainer("window", "add", "old", "daily 02:00-04:00 UTC")
    uptainer("policy", "set", "project", "shop", "level=patch")
    file = tmp_path / "one.yaml"
    file.write_text(
        "hosts: {alpha: {url: 'unix:///var/run/docker.sock'}}\npolicies: {default: {mode: auto}}\n"
    )
    assert ("window", "old") not in apply(file, "--yes")
    gone = apply(file, "--prune", "--yes")
    assert {key for key, (_, after) in gone.items() if after is None} == {
        ("window", "old"),
        ("project policy", "shop"),
    }
    assert uptainer("window", "list", "--json").json == []
    assert apply(file, "--prune", "--yes") == {}


@pytest.mark.parametrize("prune", [(), ("--prune",)])
def test_a_freeze_does_not_turn_into_a_window_of_its_name(
    empty: Database, tmp_path: Path, prune: tuple[str, ...]
) -> None:
    uptainer("window", "add", "nights", "daily 02:00-04:00 UTC", "--freeze")
    file = tmp_path / "turned.yaml"
    file.write_text("windows: {nights: daily 02:00-04:00 UTC}\n")
    refused = uptainer("apply", "-f", str(file), "--yes", *prune)
    assert refused.code == 1
    assert "nights is a freeze already" in refused.err
    (line,) = uptainer("window", "list", "--json").json
    assert line["kind"] == "freeze"


def test_a_window_and_a_freeze_of_one_name_are_refused(empty: Database, tmp_path: Path) -> None:
    file = tmp_path / "both.yaml"
    file.write_text("windows: {a: daily 02:00-04:00 UTC}\nfreezes: {a: daily 05:00-06:00 UTC}\n")
    refused = uptainer("apply", "-f", str(file), "--yes")
    assert refused.code == 1
    assert "both a window and a freeze" in refused.err


def test_a_host_with_updates_on_their_way_is_not_pruned(stocked: Stocked, tmp_path: Path) -> None:
    file = tmp_path / "none.yaml"
    file.write_text("windows: {nights: daily 02:00-04:00 UTC}\n")
    refused = uptainer("apply", "-f", str(file), "--prune", "--yes")
    assert refused.code == 1
    assert "has updates that wait: web" in refused.err
    assert uptainer("window", "list", "--json").json == [], "all of it or nothing"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "hosts:\n  nas:\n    uri: unix:///x\n",
            "line 3: hosts.nas.uri: there is no such setting; did you mean url?",
        ),
        ("policy:\n  default: {}\n", "line 1: policy: there is no such setting; did you mean policies?"),
        (
            "policies:\n  default:\n    mode: auto\n    min_agee: 3d\n",
            "line 4: policies.default.min_agee: there is no such setting; did you mean min_age?",
        ),
        (
            "policies:\n  default:\n    mode: sometimes\n",
            "line 3: policies.default.mode: Input should be 'manual'",
        ),
        ("policies:\n  default: {windows: nights}\n", "line 2: policies.default.windows"),
        (
            "notifiers:\n  ops-mail:\n    severty: info\n",
            "line 3: notifiers.ops-mail.severty: there is no such setting; did you mean severity?",
        ),
        (
            "notifiers:\n  ops-mail: {url: 'mailto://x'}\n",
            "line 2: notifiers.ops-mail.url: there is no such setting",
        ),
        (
            "notifiers:\n  ops-mail:\n    events: [update.wating]\n",
            "line 3: notifiers.ops-mail.events: 'update.wating' is no event; there are: update.proposed",
        ),
        (
            "notifiers:\n  ops-mail:\n    when: at noon\n",
            "line 3: notifiers.ops-mail.when: 'at noon': write `immediately`, or `daily 08:00",
        ),
        ("notifiers:\n  Ops Mail: {}\n", "line 2: notifiers.Ops Mail"),
        ("windows:\n  nights: whenever\n", "line 2: nights: 'whenever' is not a maintenance window"),
        (
            "hosts:\n  nas: {url: 'ftp://x'}\n",
            "line 2: nas: 'ftp://x' is not an engine's or a cluster's address",
        ),
        (
            "hosts:\n  nas: {url: 'unix:///x'}\n  nas: {url: 'unix:///y'}\n",
            'line 3: found duplicate key "nas"',
        ),
        ("hosts: {nas: {url: 'unix:///x'\n", "line 2"),
        ("- a list\n", "it must have hosts, windows"),
        (
            "policies: {hosts: {gone: {mode: auto}}}\n",
            "'gone' is for a host that is neither in the fleet nor declared",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_its_line_and_what_was_meant(
    text: str, said: str, empty: Database, tmp_path: Path
) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    answer = uptainer("apply", "-f", str(file), "--yes")
    assert answer.code == 1
    assert said in answer.err


def test_all_faults_are_told_at_once_in_the_order_of_their_lines(empty: Database, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("hosts:\n  a: {uri: x, url: 'unix:///a'}\npolicies:\n  default: {mod: auto, level: 3}\n")
    lines = uptainer("apply", "-f", str(file)).err.splitlines()
    named = ("hosts.a.uri", "policies.default.mod", "policies.default.level")
    assert len(lines) == len(named)
    assert all(name in line for name, line in zip(named, lines, strict=True)), lines


def test_what_a_host_was_found_to_be_stays_where_the_file_does_not_say_it(
    empty: Database, tmp_path: Path
) -> None:
    url = "unix:///run/podman/podman.sock"
    with empty.session() as session:
        found = HostAddress("pod", RuntimeType.PODMAN, ConnectionType.UNIX, url)
        HostRepository(session).add(found, "basement")
    file = tmp_path / "pod.yaml"
    file.write_text(f"hosts: {{pod: {{url: '{url}'}}}}\n")
    assert apply(file, "--yes") == {}
    file.write_text(f"hosts: {{pod: {{url: '{url}', timeout: 60}}}}\n")
    assert list(apply(file, "--yes")) == [("host", "pod")]
    with empty.session() as session:
        host = HostRepository(session).by_name("pod")
        assert (host.runtime, host.timeout_seconds) == (RuntimeType.PODMAN, 60)
        assert session.scalars(select(Server.name).where(Server.id == host.server_id)).one() == "basement"


def server_of(database: Database, host: str) -> str:
    with database.session() as session:
        hosts = HostRepository(session)
        return hosts.server(hosts.by_name(host))


def test_a_host_that_moved_stands_on_the_server_of_its_new_address_unless_another_is_said(
    empty: Database, tmp_path: Path
) -> None:
    file = tmp_path / "moving.yaml"
    file.write_text("hosts: {web: {url: 'ssh://root@old.example'}, nas: {url: 'ssh://root@n1', server: n}}\n")
    apply(file, "--yes")
    assert (server_of(empty, "web"), server_of(empty, "nas")) == ("old.example", "n")
    assert apply(file, "--yes") == {}
    file.write_text("hosts: {web: {url: 'ssh://root@new.example'}, nas: {url: 'ssh://root@n2'}}\n")
    assert set(apply(file, "--yes")) == {("host", "web"), ("host", "nas")}
    assert (server_of(empty, "web"), server_of(empty, "nas")) == ("new.example", "n")
    file.write_text("hosts: {web: {url: 'ssh://root@new.example', server: rack-7}}\n")
    (changed,) = apply(file, "--yes").items()
    assert changed[0] == ("host", "web")
    assert server_of(empty, "web") == "rack-7"
    assert apply(file, "--yes") == {}
    with empty.session() as session:
        newest = AuditRepository(session).listing()[0]
    assert (newest.action, newest.details["server"]) == ("host.changed", "rack-7")


def test_what_notifiers_are_told_wants_the_server_that_holds_their_blocks(
    empty: Database, tmp_path: Path
) -> None:
    file = tmp_path / "notifiers.yaml"
    file.write_text("windows: {nights: daily 02:00-04:00 UTC}\nnotifiers: {ops-mail: {severity: warning}}\n")
    refused = uptainer("apply", "-f", str(file), "--yes")
    assert (refused.code, refused.out) == (75, "")
    assert uptainer("window", "list", "--json").json == []


def test_a_file_that_is_not_there_is_a_sentence(empty: Database) -> None:
    assert (
        "/nowhere.yaml can't be read: No such file or directory"
        in uptainer("apply", "-f", "/nowhere.yaml").err
    )
    assert "say which file" in uptainer("apply").err


def test_the_schema_for_editors_is_the_one_in_the_docs() -> None:
    stored = Path(__file__).parents[3] / "docs/uptainer.schema.json"
    assert uptainer("apply", "--schema").json == json.loads(stored.read_text())
