"""Which login of a cluster's pull secrets is for an image."""

import base64
from typing import Any

import pytest

from uptainer.core.errors import InvalidInputError
from uptainer.core.reference import Reference
from uptainer.images.pull_secrets import choose_login


def login(name: str) -> dict[str, Any]:
    return {"auth": base64.b64encode(f"{name}:password".encode()).decode()}


@pytest.mark.parametrize(
    ("entries", "image", "chosen"),
    [
        (["registry.example"], "registry.example/shop/app:1", "registry.example"),
        (["https://registry.example/v2/"], "registry.example/app:1", "https://registry.example/v2/"),
        (["registry.example"], "other.example/app:1", None),
        (["registry.example"], "registry.example.evil.org/app:1", None),
        (["registry.example:5000"], "registry.example/app:1", None),
        (["registry.example"], "registry.example:5000/app:1", None),
        (
            ["registry.example", "registry.example/shop"],
            "registry.example/shop/app:1",
            "registry.example/shop",
        ),
        (["registry.example", "registry.example/shop"], "registry.example/shopping:1", "registry.example"),
        (["registry.example/shop"], "registry.example/bank/app:1", None),
        (["*.example.com"], "eu.example.com/app:1", "*.example.com"),
        (["*.example.com"], "example.com/app:1", None),
        (["*.example.com"], "a.b.example.com/app:1", None),
        (["*.example.com", "eu.example.com"], "eu.example.com/app:1", "eu.example.com"),
        (["https://index.docker.io/v1/"], "nginx", "https://index.docker.io/v1/"),
        (["docker.io"], "nginx:1.25", "docker.io"),
        (["*"], "nginx", None),
        ([], "nginx", None),
    ],
)
def test_the_login_is_that_of_the_longest_entry_which_the_image_begins_with(
    entries: list[str], image: str, chosen: str | None
) -> None:
    found = choose_login({entry: login(entry.replace(":", "_")) for entry in entries}, Reference.parse(image))
    assert (found.username if found else None) == (chosen.replace(":", "_") if chosen else None)


def test_an_entry_that_is_broken_is_told_without_its_content() -> None:
    with pytest.raises(InvalidInputError, match="its pull secret: the entry for") as raised:
        choose_login({"registry.example": {"auth": "c2VjcmV0"}}, Reference.parse("registry.example/app"))
    assert "c2VjcmV0" not in str(raised.value)
