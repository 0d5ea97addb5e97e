import pytest

from uptainer.core.errors import (
    AccessDeniedError,
    NotFoundError,
    RateLimitedError,
    TemporaryError,
    UnsupportedError,
)
from uptainer.runtimes.engine.registries import pull_fault

NAME = "registry.lan:5000/app@sha256:0"


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("toomanyrequests: You have reached your pull rate limit", RateLimitedError),
        ("no matching manifest for linux/arm64 in the manifest list entries", UnsupportedError),
        ("unauthorized: authentication required", AccessDeniedError),
        ("manifest unknown", NotFoundError),
        ("connection refused", TemporaryError),
    ],
)
def test_each_refusal_of_a_pull_is_its_own_error(said: str, error: type[Exception]) -> None:
    fault = pull_fault(NAME, said)
    assert type(fault) is error
    assert said in str(fault)


@pytest.mark.parametrize(
    "said",
    [
        'Get "https://registry.lan:5000/v2/": x509: certificate signed by unknown authority',
        "tls: failed to verify certificate: x509: certificate is valid for a.lan, not registry.lan",
        "remote error: tls: bad certificate",
        "remote error: tls: certificate required",
    ],
)
def test_an_engine_that_does_not_believe_a_registry_is_told_how_to(said: str) -> None:
    fault = pull_fault(NAME, said)
    assert type(fault) is UnsupportedError
    assert "/etc/docker/certs.d/registry.lan:5000/ca.crt" in str(fault)
    assert "/etc/containers/certs.d/registry.lan:5000/ca.crt" in str(fault)
