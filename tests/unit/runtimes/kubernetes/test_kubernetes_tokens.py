"""A token is sent as it was meant, and is never in a message."""

import json
from pathlib import Path

import pytest

from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import InvalidInputError
from uptainer.core.secrets import ClusterSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.kubernetes.connection import Connection

SERVER = "https://127.0.0.1:6443"


def of_user(user: dict[str, str]) -> Connection:
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
