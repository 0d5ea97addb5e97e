import os
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from uptainer.console.prefect_server import adopt, check_listening, environment, url
from uptainer.core.errors import InvalidInputError, RefusedError
from uptainer.core.settings import Settings


def settings(**given: str) -> Settings:
    return Settings.read({f"UPTAINER_{name.upper()}": value for name, value in given.items()})


@pytest.mark.parametrize(
    "auth", [{}, {"PREFECT_SERVER_API_AUTH_STRING": ""}, {"PREFECT_SERVER_API_AUTH_STRING": "bare"}]
)
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_listening_elsewhere_without_a_login_is_refused(host: str, auth: Mapping[str, str]) -> None:
    with pytest.raises(RefusedError, match="PREFECT_SERVER_API_AUTH_STRING"):
        check_listening(settings(listen_host=host), auth)


def test_a_port_in_use_is_named_with_the_way_to_another() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RefusedError, match=rf"port {port} .*--port"):
            check_listening(settings(port=str(port)), {})


def test_an_address_that_is_none_is_said_to_be_none() -> None:
    with pytest.raises(InvalidInputError, match="no address"):
        check_listening(
            settings(listen_host="no such host.invalid"), {"PREFECT_SERVER_API_AUTH_STRING": "a:b"}
        )


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("127.0.0.1", "http://127.0.0.1:4300"),
        ("0.0.0.0", "http://127.0.0.1:4300"),
        ("::1", "http://[::1]:4300"),
    ],
)
def test_the_server_is_reached_where_it_listens(host: str, reached: str) -> None:
    assert url(settings(listen_host=host, port="4300")) == reached


def test_the_server_and_its_clients_are_told_the_same_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://somewhere.else/api")
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "a:b")
    monkeypatch.setenv("PREFECT_RUNNER_POLL_FREQUENCY", "7")
    told = environment(settings(data_dir=str(tmp_path), port="4300"), prefect_database_url=None)
    assert told["PREFECT_API_URL"] == "http://127.0.0.1:4300/api"
    assert told["PREFECT_HOME"] == str(tmp_path / "prefect")
    assert told["PREFECT_API_AUTH_STRING"] == "a:b"
    assert told["PREFECT_RUNNER_POLL_FREQUENCY"] == "7"
    assert told["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"


@pytest.mark.parametrize(
    ("ours", "used"),
    [
        (None, "sqlite+aiosqlite:///{}/prefect/prefect.db"),
        ("postgresql+asyncpg://u@h/ours_prefect", "postgresql+asyncpg://u@h/ours_prefect"),
    ],
)
def test_the_database_of_another_prefect_is_never_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ours: str | None, used: str
) -> None:
    for side in ("SERVER", "API"):
        monkeypatch.setenv(f"PREFECT_{side}_DATABASE_CONNECTION_URL", "postgresql+asyncpg://u@h/theirs")
        for part in ("DRIVER", "HOST", "PORT", "USER", "NAME", "PASSWORD"):
            monkeypatch.setenv(f"PREFECT_{side}_DATABASE_{part}", "theirs")
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_TIMEOUT", "20")
    told = environment(settings(data_dir=str(tmp_path)), prefect_database_url=ours)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    adopt(told)
    assert {name: value for name, value in os.environ.items() if "_DATABASE_" in name} == {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": used.format(tmp_path),
        "PREFECT_SERVER_DATABASE_TIMEOUT": "20",
    }
