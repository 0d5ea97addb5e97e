import hashlib
import hmac

import pytest

from uptainer.core.enums import WebhookKind
from uptainer.webhooks.proofs import NOBODY, Source, is_proved
from uptainer.webhooks.rates import Rate

SECRET = "correct-horse-battery"
BODY = b'{"action": "published"}'


def signature(secret: str = SECRET, body: bytes = BODY) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("kind", "headers", "token", "proved"),
    [
        (WebhookKind.GITHUB, {"x-hub-signature-256": signature()}, "", True),
        (WebhookKind.GITHUB, {"x-hub-signature-256": signature(body=b"{}")}, "", False),
        (WebhookKind.GITHUB, {"x-hub-signature-256": signature("other")}, "", False),
        (WebhookKind.GITHUB, {"x-hub-signature-256": "sha256="}, "", False),
        (WebhookKind.GITHUB, {}, SECRET, False),
        (WebhookKind.GITHUB, {"authorization": SECRET}, "", False),
        (WebhookKind.HARBOR, {"authorization": SECRET}, "", True),
        (WebhookKind.HARBOR, {"authorization": f"Bearer {SECRET}"}, "", True),
        (WebhookKind.HARBOR, {"authorization": "other"}, SECRET, False),
        (WebhookKind.DOCKER_HUB, {}, SECRET, True),
        (WebhookKind.DOCKER_HUB, {}, SECRET + "x", False),
        (WebhookKind.DOCKER_HUB, {}, "", False),
        (WebhookKind.DOCKER_HUB, {}, "\udcff", False),
    ],
)
def test_a_notification_proves_who_sent_it(
    kind: WebhookKind, headers: dict[str, str], token: str, proved: bool
) -> None:
    assert is_proved(Source(kind, SECRET), headers, token, BODY) is proved


def test_nothing_proves_to_come_from_nobody() -> None:
    assert not is_proved(NOBODY, {}, "", b"")
    assert not is_proved(NOBODY, {"authorization": ""}, "", b"")
    assert not is_proved(Source(WebhookKind.GITHUB, ""), {"x-hub-signature-256": signature("")}, "", BODY)


def test_a_source_does_not_show_its_secret() -> None:
    assert SECRET not in repr(Source(WebhookKind.HARBOR, SECRET))


def test_so_many_at_once_and_so_many_a_minute_after_that() -> None:
    rate = Rate(burst=3, a_minute=60)
    assert [rate.take("a", 0) for _ in range(5)] == [True, True, True, False, False]
    assert rate.take("b", 0)
    assert rate.is_out("a", 0.5)
    assert not rate.is_out("a", 1)
    assert [rate.take("a", 2) for _ in range(3)] == [True, True, False]
    assert [rate.take("a", 3600) for _ in range(4)] == [True, True, True, False]


def test_names_without_end_take_no_memory_without_end() -> None:
    rate = Rate(burst=1, a_minute=1)
    for number in range(5000):
        rate.take(str(number), 0)
    assert len(rate._left) <= 1000
