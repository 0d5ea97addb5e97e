"""Answers given by command, where no Prefect server is there to hear of them."""

import getpass

import pytest

from tests.lab.commands import uptainer
from tests.lab.stocked import Stocked
from uptainer.core.enums import ApprovalChannel, UpdateStatus
from uptainer.store.models import Approval, Update
from uptainer.store.repositories.approvals import ApprovalRepository
from uptainer.store.repositories.updates import UpdateRepository


def after(stocked: Stocked) -> tuple[Update, list[Approval]]:
    with stocked.database.session() as session:
        row = UpdateRepository(session).by_id(stocked.update_id)
        return row, list(ApprovalRepository(session).for_update(stocked.update_id))


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("approve",), UpdateStatus.APPROVED),
        (("reject",), UpdateStatus.REJECTED),
        (("skip",), UpdateStatus.REJECTED),
        (("snooze", "--until", "3d"), UpdateStatus.PROPOSED),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_an_answer_stands_although_no_run_can_hear_of_it(
    words: tuple[str, ...], status: UpdateStatus, stocked: Stocked
) -> None:
    ended = uptainer(words[0], str(stocked.update_id), *words[1:], "--reason", "as discussed", "--yes")
    assert ended.code == 0
    assert "It is on record" in ended.err
    row, (approval,) = after(stocked)
    assert row.status is status
    assert (approval.channel, approval.reason, approval.taken) == (
        ApprovalChannel.COMMAND,
        "as discussed",
        True,
    )


def test_the_name_of_an_answer_is_the_account_that_ran_the_command(stocked: Stocked) -> None:
    uptainer("approve", str(stocked.update_id), "--yes")
    _, (approval,) = after(stocked)
    assert (approval.answered_by, approval.authenticated) == (getpass.getuser(), True)


def test_an_approval_is_always_of_an_account(stocked: Stocked) -> None:
    uptainer("approve", str(stocked.update_id), "--yes")
    row, (approval,) = after(stocked)
    assert "1.28" in approval.account
    assert approval.account_hash == row.account_hash != ""


def test_a_person_is_shown_the_account_and_may_say_no(stocked: Stocked) -> None:
    ended = uptainer("approve", str(stocked.update_id), typed="n\n")
    assert ended.code == 1
    assert "nothing was done" in ended.err
    assert "CVE" in ended.out or "scan" in ended.out.lower()
    row, approvals = after(stocked)
    assert (row.status, approvals) == (UpdateStatus.AWAITING_APPROVAL, [])


def test_a_version_that_a_stranger_wrote_cannot_change_the_question(stocked: Stocked) -> None:
    with stocked.database.session() as session:
        UpdateRepository(session).amend(
            stocked.update_id, from_version="1.27", to_version="1.28\x1b[1A\x1b[2K\u202e\nIs that well?"
        )
    number = str(stocked.update_id)
    said = [
        uptainer("approve", number, typed="n\n"),
        uptainer("updates", "--why", number),
        uptainer("updates"),
    ]
    for ended in said:
        assert "1.28\N{REPLACEMENT CHARACTER}[1A\N{REPLACEMENT CHARACTER}[2K" in ended.out
        assert not {"\x1b", "\u202e"} & set(ended.out + ended.err)
        assert not [line for line in ended.out.splitlines() if line.startswith("Is that well?")]


def test_a_person_who_says_yes_has_approved(stocked: Stocked) -> None:
    assert uptainer("approve", str(stocked.update_id), typed="y\n").code == 0
    assert after(stocked)[0].status is UpdateStatus.APPROVED


def test_nothing_is_answered_unasked_where_nobody_is_at_the_terminal(stocked: Stocked) -> None:
    ended = uptainer("reject", str(stocked.update_id))
    assert ended.code == 1
    assert "add --yes" in ended.err
    assert after(stocked)[1] == []


def test_of_several_one_that_is_not_there_stops_them_all(stocked: Stocked) -> None:
    ended = uptainer("approve", str(stocked.update_id), "999", "--yes")
    assert ended.code == 1
    assert "there is no update 999" in ended.err
    assert after(stocked)[1] == []


def test_a_second_answer_is_refused_and_on_record(stocked: Stocked) -> None:
    uptainer("reject", str(stocked.update_id), "--yes")
    ended = uptainer("approve", str(stocked.update_id), "--yes")
    assert ended.code == 1
    assert "on record" in ended.err
    _, approvals = after(stocked)
    assert [each.taken for each in approvals] == [True, False]


def test_a_batch_has_its_name_on_each_of_its_updates(stocked: Stocked) -> None:
    uptainer("approve", str(stocked.update_id), "--batch", "october", "--yes")
    assert after(stocked)[0].batch == "october"


def test_a_snooze_that_is_over_already_is_not_taken(stocked: Stocked) -> None:
    ended = uptainer("snooze", str(stocked.update_id), "--until", "2020-01-01T00:00+00:00", "--yes")
    assert ended.code == 1
    assert after(stocked)[0].snoozed_until is None


def test_an_update_that_nobody_answered_is_not_started(stocked: Stocked) -> None:
    ended = uptainer("update", str(stocked.update_id))
    assert ended.code == 1
    assert f"uptainer approve {stocked.update_id}" in ended.err


def test_a_window_is_overridden_for_a_reason_and_by_name(stocked: Stocked) -> None:
    number = str(stocked.update_id)
    uptainer("policy", "set", "default", "windows=2027-01-01 00:00 to 2027-01-01 06:00 UTC")
    uptainer("approve", number, "--yes")
    assert "needs a reason" in uptainer("update", number, "--override-window", " ").err
    assert after(stocked)[0].window_override is None
    uptainer("update", number, "--override-window", "it is being exploited")
    assert "outside of its window, for: it is being exploited" in uptainer("updates", "--why", number).out
    (entry,) = uptainer("audit", "list", "--action", "update.window_overridden", "--json").json
    assert (entry["actor"], entry["typed"]) == (getpass.getuser(), False)


def test_an_answer_is_seen_in_the_fleet_before_the_next_check(stocked: Stocked) -> None:
    uptainer("reject", str(stocked.update_id), "--reason", "too new", "--yes")
    web = next(each for each in uptainer("containers", "--json").json if each["workload"] == "alpha/web")
    assert web["why"] == f"update {stocked.update_id} rejected by {getpass.getuser()}: too new"


def test_history_says_who_answered_and_explains(stocked: Stocked) -> None:
    uptainer("reject", str(stocked.update_id), "--reason", "too new", "--yes")
    (line,) = uptainer("history", "--json").json
    assert (line["status"], line["answered_by"]) == ("rejected", getpass.getuser())
    found = uptainer("updates", "--why", str(stocked.update_id), "--json").json
    assert found["answers"][0]["reason"] == "too new"
    assert uptainer("history", "--status", "succeeded", "--json").json == []
    assert uptainer("history", "--since", "1d", "--host", "alpha", "--workload", "web", "--json").code == 0


def test_what_did_not_succeed_is_not_taken_back(stocked: Stocked) -> None:
    uptainer("reject", str(stocked.update_id), "--yes")
    ended = uptainer("rollback", str(stocked.update_id), "--yes")
    assert ended.code in {1, 75}
    assert ended.err.startswith("uptainer: ")
