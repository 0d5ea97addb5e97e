"""Messages through Apprise, to a real SMTP server and a real webhook."""

import logging
import re
from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.lab.room import free_port
from tests.lab.sinks import Arrived, MailSink, WebhookSink
from uptainer.core.enums import NoticeSeverity
from uptainer.core.errors import InvalidInputError, UnreachableError
from uptainer.notices.channel import AppriseChannel
from uptainer.notices.message import Message

MARK = UUID(int=42)
MESSAGE = Message(
    "Uptainer: an update waits", "web: nginx 1 -> 2 <b>&amp; more\nline", NoticeSeverity.WARNING, False
)


@pytest.fixture(params=[MailSink, WebhookSink])
def sink(request: pytest.FixtureRequest) -> Iterator[MailSink | WebhookSink]:
    with request.param() as opened:
        yield opened


def test_a_message_arrives_word_for_word_with_its_mark(sink: MailSink | WebhookSink) -> None:
    AppriseChannel(sink.url).send(MESSAGE, MARK)
    (came,) = sink.arrived
    assert (came.title, came.mark) == (MESSAGE.title, str(MARK))
    assert came.body.replace("\r\n", "\n") == MESSAGE.body


def test_what_is_refused_is_said_and_may_be_sent_again(sink: MailSink | WebhookSink) -> None:
    sink.refusals = 1
    channel = AppriseChannel(sink.url)
    with pytest.raises(UnreachableError, match=r"did not take it: .*(451|503|Service Unavailable)"):
        channel.send(MESSAGE, MARK)
    assert sink.arrived == []
    channel.send(MESSAGE, MARK)
    assert [each.mark for each in sink.arrived] == [str(MARK)]


@pytest.mark.parametrize(
    ("kind", "answer", "passes"),
    [
        (WebhookSink, 400, False),
        (WebhookSink, 401, False),
        (WebhookSink, 403, False),
        (WebhookSink, 404, False),
        (WebhookSink, 410, False),
        (WebhookSink, 408, True),
        (WebhookSink, 429, True),
        (WebhookSink, 500, True),
        (MailSink, 421, True),
        (MailSink, 452, True),
        (MailSink, 535, False),
        (MailSink, 550, False),
        (MailSink, 554, False),
    ],
)
def test_a_refusal_that_may_pass_is_told_from_one_that_will_not(
    kind: type[MailSink | WebhookSink], answer: int, passes: bool
) -> None:
    with kind() as sink:
        sink.refusals, sink.refusal = 1, answer
        with pytest.raises(UnreachableError if passes else InvalidInputError, match=r"take it|refuses it"):
            AppriseChannel(sink.url).send(MESSAGE, MARK)


def test_an_error_does_not_tell_the_url_s_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for url in (
        f"json://ada:correcthorse@127.0.0.1:{free_port()}/batterystaple",
        f"json://ada:correct%40horse@127.0.0.1:{free_port()}/battery%2Fstaple%20too?-key=correct%26horse",
        f"xml://ada:correct%2Bhorse@127.0.0.1:{free_port()}/battery%C3%A9-staple",
        f"mailto://ada:correcthorse@127.0.0.1:{free_port()}?from=a@example.org&to=b@example.org&mode=insecure",
    ):
        with pytest.raises(UnreachableError, match=r"127\.0\.0\.1|refused") as refused:
            AppriseChannel(url).send(MESSAGE, MARK)
        said = str(refused.value) + caplog.text
        assert "correcthorse" not in said
        assert "batterystaple" not in said
        assert not re.search("horse|staple|battery", said)


@pytest.mark.parametrize(
    ("severity", "is_good", "kind"),
    [
        (NoticeSeverity.INFO, False, "info"),
        (NoticeSeverity.WARNING, False, "warning"),
        (NoticeSeverity.CRITICAL, False, "failure"),
        (NoticeSeverity.CRITICAL, True, "success"),
    ],
)
def test_a_message_bears_its_kind(severity: NoticeSeverity, is_good: bool, kind: str) -> None:
    with WebhookSink() as sink:
        AppriseChannel(sink.url).send(Message("t", "b", severity, is_good), MARK)
    assert sink.arrived == [Arrived("t", "b", str(MARK), kind)]


def test_other_logs_are_as_before(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("apprise")
    before = log.level, log.propagate, list(log.handlers)
    with WebhookSink() as sink:
        AppriseChannel(sink.url).send(MESSAGE, MARK)
    assert (log.level, log.propagate, list(log.handlers)) == before
