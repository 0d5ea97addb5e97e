import re
import traceback
from pathlib import Path

import pytest

from uptainer.core.errors import InvalidInputError
from uptainer.core.settings import Settings

DOCS = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.read({})
    assert settings.port == 4200
    assert settings.database_url is None
    assert settings.listens_on_loopback


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.read({"UPTAINER_PORT": "", "UPTAINER_DATABASE_URL": ""}) == Settings.read({})


def test_the_data_directory_is_absolute_and_knows_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Settings.read({"UPTAINER_DATA_DIR": "~/kept"}).data_dir == Path("/home/somebody/kept")


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("UPTAINER_PORT", "many", "UPTAINER_PORT is wrong"),
        ("UPTAINER_PORT", "70000", "UPTAINER_PORT is wrong"),
        ("UPTAINER_DATABASE_URL", "mysql://host/name", "it must begin with postgresql://"),
        ("UPTAINER_PREFECT_DATABASE_URL", "mysql://host/name", "postgresql:// or sqlite://"),
        ("UPTAINER_MAX_RUNS", "0", "UPTAINER_MAX_RUNS is wrong"),
        ("UPTAINER_PROT", "4300", "UPTAINER_PROT is not a setting"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(variable: str, value: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(says)):
        Settings.read({variable: value})


@pytest.mark.parametrize("variable", ["UPTAINER_DATABASE_URL", "UPTAINER_PREFECT_DATABASE_URL"])
@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://user:hunter2@host/name", "it must begin with postgresql://"),
        ("postgresql://user:hunter2/name", "write postgresql://user:password@host:port/name"),
        ("postgresql://user:p@hunter2:x/name", "write postgresql://user:password@host:port/name"),
        ("postgresql:hunter2", "write postgresql://user:password@host:port/name"),
    ],
)
def test_a_refused_url_is_not_repeated_with_its_password(variable: str, url: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says) as refused:
        Settings.read({variable: url})
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.7", False),
        ("host.example.org", False),
    ],
)
def test_only_this_machine_is_loopback(host: str, loopback: bool) -> None:
    assert Settings.read({"UPTAINER_LISTEN_HOST": host}).listens_on_loopback is loopback


def test_settings_given_to_a_child_are_read_there_as_the_same() -> None:
    given = Settings.read(
        {
            "UPTAINER_DATABASE_URL": "postgresql://u:p@h/d",
            "UPTAINER_PORT": "4301",
            "UPTAINER_DATA_DIR": "/kept",
        }
    )
    assert Settings.read(given.variables()) == given


def test_every_setting_stands_in_the_documentation_with_its_words() -> None:
    documented = DOCS.read_text()
    for name, field in Settings.model_fields.items():
        assert f"`UPTAINER_{name.upper()}`" in documented
        assert field.description
        assert field.description in documented
