"""The Notifier block: what is entered is checked where it is entered, and its URL is a secret."""

import re
from datetime import time
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from blocks import Notifier
from uptainer.core.enums import NoticeSeverity
from uptainer.notices.notice import Event

MAIL = "mailto://ada:hunter2pw@smtp.example.org?to=ops@example.org"


def notifier(url: str = MAIL, **given: Any) -> Notifier:
    return Notifier(url=SecretStr(url), **given)


def test_a_notifier_has_rules_and_a_channel() -> None:
    made = notifier(
        events=["update.waiting"], severity="warning", hosts=["prod-*"], when="daily 7:30 Europe/Berlin"
    )
    rules = made.rules
    assert (rules.events, rules.severity, rules.hosts) == (
        frozenset({Event.UPDATE_WAITING}),
        NoticeSeverity.WARNING,
        ("prod-*",),
    )
    assert rules.daily
    assert (rules.daily.clock, rules.daily.zone.key) == (time(7, 30), "Europe/Berlin")
    assert made.channel().longest > 1000


def test_its_url_is_not_shown() -> None:
    made = notifier()
    assert "hunter2pw" not in repr(made) + str(made.model_dump())


@pytest.mark.parametrize(
    ("url", "given", "says"),
    [
        ("", {}, "no complete Apprise URL"),
        ("hello", {}, "it is no complete Apprise URL"),
        ("nonsense://hunter2pw@host", {}, "nonsense is no complete Apprise URL"),
        ("tgram://hunter2pw", {}, "tgram is no complete Apprise URL"),
        ("mailto://127.0.0.1:25?from=a@example.org&to=b@example.org,c@example.org", {}, "2 recipients"),
        (MAIL, {"events": ["update.done"]}, "'update.done' is no event"),
        (MAIL, {"severity": "urgent"}, "'info', 'warning' or 'critical'"),
        (MAIL, {"when": "at noon"}, "daily 08:00 Europe/Berlin"),
        (MAIL, {"when": "daily 08:00 Mars/Olympus"}, "is not a time zone"),
    ],
)
def test_what_cannot_work_is_refused_without_its_secret(url: str, given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(says)) as refused:
        notifier(url, **given)
    assert "hunter2pw" not in str(refused.value)


def test_a_mail_may_have_copies() -> None:
    notifier("mailto://127.0.0.1:25?from=a@example.org&to=b@example.org&cc=c@example.org")
