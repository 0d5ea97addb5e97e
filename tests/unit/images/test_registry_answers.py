from datetime import UTC, datetime, timedelta

import httpx
import pytest

from uptainer.core import errors
from uptainer.images.answers import raise_for_status, read_retry_after

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def answer(status: int, body: object = None, **headers: str) -> httpx.Response:
    return httpx.Response(
        status, json=body, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


def error_body(code: str, message: str = "") -> dict[str, object]:
    return {"errors": [{"code": code, "message": message}]}


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (answer(401), errors.AccessDeniedError),
        (answer(403), errors.AccessDeniedError),
        (answer(404), errors.NotFoundError),
        (answer(410), errors.NotFoundError),
        (answer(429), errors.RateLimitedError),
        (answer(403, error_body("TOOMANYREQUESTS")), errors.RateLimitedError),
        (answer(503, error_body("toomanyrequests")), errors.RateLimitedError),
        (answer(408), errors.TemporaryError),
        (answer(500), errors.TemporaryError),
        (answer(503), errors.TemporaryError),
        (answer(304), errors.ProtocolError),
        (answer(302), errors.ProtocolError),
        (answer(400), errors.ProtocolError),
        (answer(418, {"errors": [{"code": 7}, 8]}), errors.ProtocolError),
        (answer(418, {"errors": "x"}), errors.ProtocolError),
        (answer(418, ["errors"]), errors.ProtocolError),
    ],
)
def test_each_answer_is_one_error(response: httpx.Response, error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        raise_for_status(response, "the registry")

    assert type(raised.value) is error
    assert f"the registry answered {response.status_code}" in str(raised.value)


def test_the_registrys_own_words_are_repeated_within_bounds() -> None:
    with pytest.raises(errors.NotFoundError) as raised:
        raise_for_status(
            answer(404, error_body("MANIFEST_UNKNOWN", "manifest\x1b[31m unknown " + "x" * 5000)), "it"
        )

    assert "manifest\N{REPLACEMENT CHARACTER}[31m unknown" in str(raised.value)
    assert "\x1b" not in str(raised.value)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("30", timedelta(seconds=30)),
        ("0", timedelta(0)),
        ("Sun, 01 Mar 2026 12:01:30 GMT", timedelta(seconds=90)),
        ("Sun, 01 Mar 2026 11:00:00 GMT", timedelta(0)),
        ("Sun, 01 Mar 2026 12:01:30 -0000", timedelta(seconds=90)),
        ("soon", None),
        ("-5", None),
        ("²", None),
        ("9" * 30, None),
        ("", None),
    ],
)
def test_both_forms_of_retry_after_are_read(value: str, wait: timedelta | None) -> None:
    response = httpx.Response(429, headers=[(b"Retry-After", value.encode("latin-1"))])

    assert read_retry_after(response, NOW) == wait


def test_a_rate_limit_says_how_long_to_wait() -> None:
    with pytest.raises(errors.RateLimitedError) as raised:
        raise_for_status(answer(429, Retry_After="7"), "it")

    assert raised.value.retry_after == timedelta(seconds=7)
