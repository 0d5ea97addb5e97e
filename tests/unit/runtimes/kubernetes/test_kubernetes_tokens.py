"""A token is sent as it was meant, and is never in a message."""

import json
from pathlib import Path
from typing import Any

import pytest

from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import AccessDeniedError, InvalidInputError, UnreachableError
from uptainer.core.secrets import ClusterSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.kubernetes.connection import Connection

SERVER = "https://127.0.0.1:6443"


def of_user(user: dict[str, Any]) -> Connection:
    """By a kubeconfig, which is JSON here, and so YAML."""
    content = {
        "current-context": "lab",
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
        "clusters": [{"name": "lab", "cluster": {"server": SERVER}}],
        "users": [{"name": "lab", "user": user}],
    }
    address = HostAddress("lab", RuntimeType.KUBERNETES, ConnectionType.KUBECONFIG, "kubeconfig://")
    return Connection(address, ClusterSecret(kubeconfig=json.dumps(content)))


def test_a_line_break_behind_a_token_is_not_sent(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("abc.def\n")
    for user in ({"token": "abc.def\n"}, {"tokenFile": str(file)}):
        assert of_user(user).headers() == {"authorization": "Bearer abc.def"}


@pytest.mark.parametrize("token", ["abc\ndef", "abc\x00def", "abc\u00e9def"])
def test_what_no_header_can_hold_is_refused_without_being_said(token: str) -> None:
    with pytest.raises(InvalidInputError, match="its token holds characters") as refused:
        of_user({"token": token}).headers()
    assert "abc" not in str(refused.value)


def test_without_a_token_no_header_says_who_we_are() -> None:
    assert of_user({}).headers() == {}


def by_program(answer: Path) -> Connection:
    """It gives what stands in the file, and fails without it."""
    version = "client.authentication.k8s.io/v1"
    return of_user({"exec": {"apiVersion": version, "command": "cat", "args": [str(answer)]}})


def test_a_program_that_gives_no_new_credentials_fails_for_now_and_is_asked_again(tmp_path: Path) -> None:
    answer = tmp_path / "credential"
    answer.write_text(json.dumps({"status": {"token": "first"}}))
    connection = by_program(answer)
    answer.unlink()
    assert connection.headers() == {"authorization": "Bearer first"}
    assert connection.renew()
    for _ in range(2):
        with pytest.raises(UnreachableError, match="no new credentials"):
            connection.headers()
    answer.write_text(json.dumps({"status": {"token": "second"}}))
    assert connection.headers() == {"authorization": "Bearer second"}


def test_a_program_that_never_gave_credentials_is_no_passing_fault(tmp_path: Path) -> None:
    with pytest.raises(AccessDeniedError):
        by_program(tmp_path / "credential")
