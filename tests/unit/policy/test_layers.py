"""Policies in layers, and what a wrong one is told."""

from datetime import timedelta
from typing import Any, Literal

import pytest

from uptainer.core.enums import ChangeLevel, PolicyMode, PolicyScope
from uptainer.core.errors import InvalidInputError
from uptainer.policy.labels import read_labels
from uptainer.policy.layers import Layer, merge
from uptainer.policy.settings import EffectivePolicy, PolicySettings, parse_settings

NIGHTLY = "daily 02:00-04:00 Europe/Berlin"


def layer(scope: PolicyScope, name: str, **settings: Any) -> Layer:
    return Layer(scope, name, parse_settings(settings))


def test_without_layers_a_person_must_approve_everything() -> None:
    policy = merge([])
    assert policy.mode is PolicyMode.MANUAL
    assert str(policy.source("mode")) == "the built-in default"


def test_the_most_specific_layer_wins_whatever_the_order_they_come_in() -> None:
    layers = [
        layer(PolicyScope.CONTAINER, "prod/db", mode="off"),
        layer(PolicyScope.DEFAULT, "default", mode="notify"),
        layer(PolicyScope.LABEL, "uptainer.mode", mode="auto"),
        layer(PolicyScope.HOST, "prod", mode="manual"),
        layer(PolicyScope.PROJECT, "prod/shop", mode="auto_if_recommended"),
    ]
    seen = []
    while layers:
        winner = merge(layers)
        seen.append((winner.mode.value, str(winner.source("mode"))))
        layers = [each for each in layers if each.scope is not winner.source("mode").scope]
    assert seen == [
        ("off", "the policy of the container prod/db"),
        ("auto", "the label uptainer.mode"),
        ("auto_if_recommended", "the policy of the project prod/shop"),
        ("manual", "the policy of the host prod"),
        ("notify", "the default policy"),
    ]


def test_each_field_is_decided_by_itself() -> None:
    policy = merge(
        [
            layer(PolicyScope.HOST, "prod", mode="auto", min_age="3d", windows=[NIGHTLY]),
            layer(PolicyScope.PROJECT, "prod/shop", min_age="7d"),
        ]
    )
    assert (policy.mode, policy.min_age) == (PolicyMode.AUTO, timedelta(days=7))
    assert policy.source("mode").scope is PolicyScope.HOST
    assert policy.source("min_age").scope is PolicyScope.PROJECT
    assert policy.source("level").scope is PolicyScope.DEFAULT


def test_an_empty_list_takes_a_more_general_one_away() -> None:
    policy = merge(
        [layer(PolicyScope.HOST, "prod", windows=[NIGHTLY]), layer(PolicyScope.PROJECT, "p", windows=[])]
    )
    assert policy.windows == ()


def test_the_field_of_a_label_is_explained_by_that_label() -> None:
    reading = read_labels({"uptainer.mode": "auto", "wud.tag.include": "^1"}, {})
    policy = merge([Layer(PolicyScope.LABEL, "", reading.settings, reading.sources)])
    assert str(policy.source("mode")) == "the label uptainer.mode"
    assert str(policy.source("tag_include")) == "the label wud.tag.include"


def test_every_field_of_a_layer_is_one_of_the_whole_policy() -> None:
    assert set(PolicySettings.model_fields) == set(EffectivePolicy.model_fields) - {"sources"}


def test_a_policy_is_stored_and_read_back_as_it_was() -> None:
    settings = parse_settings(
        {
            "mode": "auto",
            "level": "minor",
            "min_age": "1h30m",
            "windows": [NIGHTLY, "last Sun 03:00-06:00 UTC"],
            "freezes": ["2026-12-20 00:00 to 2027-01-02 06:00 UTC"],
            "new_high_allowed": "any",
            "probes": [{"kind": "http", "port": 80, "path": "/up"}, {"kind": "exec", "command": ["true"]}],
        }
    )
    assert parse_settings(settings.model_dump(mode="json")) == settings
    policy = merge([Layer(PolicyScope.HOST, "prod", settings)])
    assert EffectivePolicy.model_validate(policy.model_dump(mode="json")) == policy


def test_a_stored_window_is_named() -> None:
    settings = parse_settings(
        {"windows": ["nightly"], "freezes": ["xmas"]},
        windows={"nightly": NIGHTLY},
        freezes={"xmas": "day 24 00:00-24:00 UTC"},
    )
    assert settings.windows is not None
    assert settings.windows[0].duration == timedelta(hours=2)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"mod": "auto"}, "a policy has no 'mod': did you mean 'mode'?"),
    ({"minimum_age": "3d"}, "a policy has no 'minimum_age'"),
    ({"windows": ["nightly"]}, "there is no maintenance window named 'nightly'"),
    ({"windows": ["nightly"], "freezes": ["xmas"]}, "there is no freeze named 'xmas'"),
    ({"windows": ["Fri 22:00-05:00"]}, "is not a maintenance window: write it like"),
    ({"freezes": ["FREQ=HOURLY for 1h UTC"]}, "too fine"),
    ({"windows": [7]}, "7 is not a maintenance window"),
    ({"min_age": 3}, "3 is not a duration: write it with its unit"),
    ({"min_age": "-3d"}, "is not a duration"),
    ({"min_age": timedelta(days=-3)}, "cannot be negative"),
    ({"min_age": "99999d"}, "longer than ten years"),
    ({"mode": "sometimes"}, "mode: Input should be 'manual', 'auto'"),
    ({"level": "unordered"}, "level: Input should be"),
    ({"new_high_allowed": -1}, "greater than or equal to 0"),
    ({"tag_include": "x" * 1001}, "1 to 1000 characters"),
    ({"tag_transform": "(a) => $2"}, "uses \\$2"),
    ({"probes": [{"kind": "smtp", "port": 25}]}, "probes"),
    ({"probes": [{"kind": "http", "port": 80, "path": "up"}]}, "probes"),
    ({"backup_keep": 0}, "backup_keep"),
]


@pytest.mark.parametrize(("data", "message"), WRONG)
def test_a_wrong_policy_is_refused_and_told_why(data: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_settings(data)


def test_the_farthest_level_may_be_any_but_unordered() -> None:
    assert parse_settings({"level": "major"}).level is ChangeLevel.MAJOR


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_a_form_can_show_every_field_of_a_policy(mode: Literal["validation", "serialization"]) -> None:
    schema = PolicySettings.model_json_schema(mode=mode)
    assert schema["properties"].keys() == PolicySettings.model_fields.keys()
    assert {"type": "string", "examples": ["3d", "1h30m"]} in schema["properties"]["min_age"]["anyOf"]
