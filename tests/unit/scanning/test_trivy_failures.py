import pytest

from uptainer.core.errors import (
    AccessDeniedError,
    BusyError,
    NotFoundError,
    PermanentError,
    RateLimitedError,
    UnreachableError,
    UnsupportedError,
    UptainerError,
)
from uptainer.scanning.failures import classify


def fatal(text: str) -> str:
    return f"2026-05-01T00:00:00Z\tWARN\tsomething else\n2026-05-01T00:00:01Z\tFATAL\tFatal error\t{text}\n"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("init error: DB error: cache may be in use by another process: timeout", BusyError),
        ("scan error: context deadline exceeded", UnreachableError),
        ("dial tcp 127.0.0.1:1: connect: connection refused", UnreachableError),
        ("dial tcp: lookup registry.example: no such host", UnreachableError),
        (
            "GET https://index.docker.io/v2/: TOOMANYREQUESTS: You have reached your pull rate limit",
            RateLimitedError,
        ),
        ("unexpected status code 429 Too Many Requests", RateLimitedError),
        ("GET https://r.example/v2/: unexpected status code 503 Service Unavailable", UnreachableError),
        ("remote error: GET https://r/v2/app/manifests/x: MANIFEST_UNKNOWN: manifest unknown", NotFoundError),
        ("unable to inspect the image: Error response from daemon: No such image: app", NotFoundError),
        ("GET https://r/v2/app: UNAUTHORIZED: authentication required", AccessDeniedError),
        ("twirp error unauthenticated: invalid token", AccessDeniedError),
        ("db error: invalid database", UnsupportedError),
        ("http: server gave HTTP response to HTTPS client", UnsupportedError),
        (
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            UnsupportedError,
        ),
        ("no child with platform linux/arm64 in index", NotFoundError),
        ("something that nobody has seen", PermanentError),
    ],
)
def test_what_trivy_says_decides_whether_to_try_again(said: str, kind: type[UptainerError]) -> None:
    error = classify(fatal(said), subject="app")
    assert type(error) is kind
    assert str(error).startswith("app: ")


def test_a_warning_before_the_end_does_not_decide() -> None:
    noise = "2026-05-01T00:00:00Z\tWARN\tconnection refused, trying the next mirror\n"
    assert isinstance(classify(noise + fatal("MANIFEST_UNKNOWN"), subject="app"), NotFoundError)


def test_an_answer_counts_more_than_the_endpoint_that_gave_none() -> None:
    both = 'Get "https://r/v2/": UNAUTHORIZED; Get "http://r/v2/": connection refused'
    assert isinstance(classify(fatal(both), subject="app"), AccessDeniedError)


def test_the_cause_at_the_end_of_a_long_message_decides_and_is_shown() -> None:
    error = classify(fatal("scan error: " + "x" * 5000 + ": connection refused"), subject="app")
    assert isinstance(error, UnreachableError)
    assert len(str(error)) < 700
    assert "connection refused)" in str(error)


@pytest.mark.parametrize("stderr", ["", "\n", "killed"])
def test_a_trivy_that_says_nothing_useful_has_failed_for_good(stderr: str) -> None:
    assert type(classify(stderr, subject="app")) is PermanentError
