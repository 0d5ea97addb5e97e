"""What a person may write into the blocks of advice, and what becomes of it."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from blocks.advice_model import AdviceModel
from blocks.release_host import ReleaseNotesHost
from uptainer.advice.forges import ReleaseHost
from uptainer.advice.spending import DailyLimits, Prices
from uptainer.core.enums import Forge

LOCAL = {"provider": "ollama", "model": "m", "base_url": "http://127.0.0.1:11434/v1"}


def test_a_model_has_no_limit_unless_one_is_given() -> None:
    settings = AdviceModel(**LOCAL).settings()
    assert (settings.prices, settings.limits) == (None, DailyLimits())


def test_prices_and_limits_are_taken_as_they_were_typed() -> None:
    block = AdviceModel(
        **LOCAL,
        input_price=0.1,
        output_price=2.5,
        cost_per_day=1.1,
        tokens_per_day=1000,
        questions_per_day=20,
        seconds_per_day=600,
    )
    assert block.settings().prices == Prices(Decimal("0.1"), Decimal("2.5"))
    assert block.settings().limits == DailyLimits(Decimal("1.1"), 1000, 20, 600)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"cost_per_day": 1}, "needs the prices; without them, give a limit of tokens"),
        ({"questions_per_day": -1}, "greater than or equal to 0"),
    ],
)
def test_a_limit_that_cannot_be_kept_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        AdviceModel(**LOCAL, **fields)


HOSTS: list[tuple[dict[str, Any], str, ReleaseHost]] = [
    ({"host": "Git.Example.org"}, "git.example.org", ReleaseHost("https://git.example.org")),
    (
        {"host": "git.example.org", "kind": "gitea", "address": "https://git.example.org/git/"},
        "git.example.org",
        ReleaseHost("https://git.example.org/git", Forge.GITEA),
    ),
    (
        {"host": "github.com", "token": SecretStr("t")},
        "github.com",
        ReleaseHost("https://api.github.com", Forge.GITHUB, "t"),
    ),
    ({"host": "gitlab.com"}, "gitlab.com", ReleaseHost("https://gitlab.com", Forge.GITLAB)),
]


@pytest.mark.parametrize(("fields", "name", "host"), HOSTS)
def test_a_host_is_asked_as_its_block_says_or_as_it_is_known(
    fields: dict[str, Any], name: str, host: ReleaseHost
) -> None:
    assert ReleaseNotesHost(**fields).entry() == (name, host)


def test_any_public_host_is_an_entry_of_its_own() -> None:
    assert ReleaseNotesHost(host="*").entry()[0] == "*"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"host": "https://git.example.org"}, "the host alone"),
        ({"host": "git.example.org:3000"}, "the host alone"),
        (
            {"host": "git.example.org", "address": "http://git.example.org"},
            "by https, or by http from this machine",
        ),
        ({"host": "*", "token": "t"}, "has no kind, address or token"),
        ({"host": "git.example.org", "kind": "svn"}, "github"),
    ],
)
def test_a_host_that_could_not_be_asked_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ReleaseNotesHost(**fields)


def test_the_token_of_a_host_is_not_shown() -> None:
    block = ReleaseNotesHost(host="git.example.org", token=SecretStr("hunter2"))
    assert "hunter2" not in repr(block) + str(block.model_dump()) + repr(block.entry())
