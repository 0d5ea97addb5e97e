"""What lists show of a real database, as a table and as JSON."""

import json
from datetime import UTC, datetime

import pytest

from tests.lab.commands import uptainer
from tests.lab.facts import digest
from tests.lab.stocked import Stocked
from uptainer.cli import completion
from uptainer.store.database import Database
from uptainer.store.repositories.containers import ContainerRepository

LISTS = [
    ("host", "list"),
    ("containers",),
    ("containers", "list"),
    ("updates",),
    ("updates", "--all"),
    ("history",),
    ("scans",),
    ("backups",),
    ("audit",),
    ("policy",),
    ("window",),
    ("trust",),
    ("sbom",),
    ("credentials",),
    ("registries",),
    ("notices",),
    ("notices", "--failed"),
]


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_whatever_lists_gives_an_empty_list_as_json_where_there_is_nothing(
    words: tuple[str, ...], empty: Database
) -> None:
    ended = uptainer(*words, "--json")
    assert (ended.code, ended.json, ended.err) == (0, [], "")


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_a_person_is_told_in_a_sentence_that_there_is_nothing(
    words: tuple[str, ...], empty: Database
) -> None:
    ended = uptainer(*words)
    assert ended.code == 0
    assert len(ended.out.strip().splitlines()) == 1


def test_containers_say_what_could_take_their_place_and_why_not(stocked: Stocked) -> None:
    lines = {line["workload"]: line for line in uptainer("containers", "--json").json}
    assert lines["alpha/web"]["candidate"].startswith("1.28@")
    assert lines["alpha/web"]["update_id"] == stocked.update_id
    assert "did not answer" in lines["alpha/cron"]["why"]
    assert lines["alpha/db"]["candidate"] == ""


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("web",), {"alpha/web"}),
        (("w*",), {"alpha/web"}),
        (("--project", "shop"), {"alpha/db"}),
        (("--host", "alpha", "cr"), {"alpha/cron"}),
        (("nothing",), set()),
    ],
)
def test_containers_are_found_by_name_glob_host_and_project(
    words: tuple[str, ...], found: set[str], stocked: Stocked
) -> None:
    ended = uptainer("containers", *words, "--json")
    assert {line["workload"] for line in ended.json} == found


def test_tab_offers_no_name_that_a_terminal_would_obey(stocked: Stocked) -> None:
    assert completion.containers("alpha/d") == ["alpha/db"]
    with stocked.database.session() as session:
        ContainerRepository(session).by_address("alpha/db").container.key = "db\x1b[2J"
    assert completion.containers("alpha/d") == []


def test_a_host_that_is_not_there_is_no_empty_list(stocked: Stocked) -> None:
    ended = uptainer("containers", "--host", "beta")
    assert ended.code == 1
    assert "no host 'beta'; known: alpha" in ended.err


def test_one_container_is_shown_with_its_health_and_the_sources_of_its_policy(stocked: Stocked) -> None:
    shown = uptainer("containers", "show", "alpha/web", "--json").json
    assert shown["ports"] == ["0.0.0.0:8080->80/tcp"]
    assert shown["mounts"] == ["data:/data"]
    assert [(each["health"], each["why"]) for each in shown["health"]] == [("unhealthy", "HTTP 500")]
    policy = {each["field"]: each for each in shown["policy"]}
    assert policy["group"] == {"field": "group", "value": "front", "source": "the label uptainer.group"}
    assert policy["mode"]["source"] == "the built-in default"


def test_a_misspelt_container_is_answered_with_the_one_that_was_meant(stocked: Stocked) -> None:
    ended = uptainer("containers", "show", "alpha/wep")
    assert ended.code == 1
    assert "did you mean alpha/web" in ended.err


def test_an_update_is_explained_finding_by_finding_and_the_decisive_come_first(stocked: Stocked) -> None:
    found = uptainer("updates", "--why", str(stocked.update_id), "--json").json
    assert found["outcome"] == "ask"
    assert found["findings"][0]["verdict"] == "ask"
    assert len(found["findings"]) > 5
    assert all(each["reason"] for each in found["findings"])


def test_a_container_without_an_update_is_explained_too(stocked: Stocked) -> None:
    ended = uptainer("updates", "--why", "alpha/cron")
    assert ended.code == 0
    assert "the registry did not answer" in ended.out


def test_what_was_never_checked_is_not_explained_but_said(stocked: Stocked) -> None:
    ended = uptainer("updates", "--why", "999")
    assert ended.code == 1
    assert "there is no update 999" in ended.err


def test_scans_are_shown_with_every_finding(stocked: Stocked) -> None:
    (line,) = uptainer("scans", "nginx", "--json").json
    assert (line["high"], line["critical"], line["end_of_life"]) == (1, 0, False)
    for image in ("nginx", digest("running")[:20], str(line["id"])):
        (found,) = uptainer("scans", "show", image, "--json").json["vulnerabilities"]
        assert (found["id"], found["fixed_in"]) == ("CVE-2026-1", "3.1")


def test_a_table_says_what_json_says(stocked: Stocked) -> None:
    out = uptainer("scans", "show", "nginx").out
    assert "CVE-2026-1" in out
    assert "openssl" in out


def test_an_image_without_a_scan_is_named(stocked: Stocked) -> None:
    assert "no scan of 'redis'" in uptainer("scans", "show", "redis").err


def test_the_audit_is_listed_and_verified_and_its_head_can_be_kept(stocked: Stocked) -> None:
    (line,) = uptainer("audit", "list", "--subject", f"update/{stocked.update_id}", "--json").json
    assert (line["actor"], line["action"]) == ("uptainer", "update.proposed")
    head = uptainer("audit", "verify").out.split()[-1]
    assert uptainer("audit", "verify", "--head", head).code == 0


def test_a_head_that_the_log_does_not_have_is_a_fault_of_the_log(stocked: Stocked) -> None:
    ended = uptainer("audit", "verify", "--head", f"{10**6}:{'0' * 64}")
    assert ended.code == 1
    assert "the log ends at row" in ended.err


def test_json_times_have_their_offset(stocked: Stocked) -> None:
    (host,) = uptainer("host", "list", "--json").json
    assert datetime.fromisoformat(host["last_seen"]).astimezone(UTC).year == 2026
    assert host["answers"] is True


def test_without_a_database_every_list_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, empty: Database
) -> None:
    monkeypatch.delenv("UPTAINER_DATABASE_URL")
    for words in LISTS:
        ended = uptainer(*words)
        assert (ended.code, ended.out) == (75, "")
        assert ended.err.startswith("uptainer: Uptainer is not running with its data in /")
        assert ": start it with `uptainer up`, or say in UPTAINER_DATA_DIR" in ended.err


def test_a_database_that_does_not_answer_may_later(monkeypatch: pytest.MonkeyPatch, empty: Database) -> None:
    monkeypatch.setenv("UPTAINER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    ended = uptainer("containers")
    assert ended.code == 75
    assert "the database did not answer" in ended.err


def test_a_database_without_tables_is_told_from_a_fault(
    monkeypatch: pytest.MonkeyPatch, postgres_url: str, empty: Database
) -> None:
    monkeypatch.setenv("UPTAINER_DATABASE_URL", postgres_url)
    ended = uptainer("updates")
    assert ended.code == 1
    assert "`uptainer up` brings them up to date" in ended.err


def test_json_is_one_document(stocked: Stocked) -> None:
    assert (
        json.loads(uptainer("updates", "--json").out)[0]["what"]
        == "nginx 1.27@" + digest("running")[7:15] + " -> 1.28@" + digest("1.28")[7:15]
    )
