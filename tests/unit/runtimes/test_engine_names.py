"""Whose a container is that Uptainer made, by its name."""

import pytest

from uptainer.runtimes.engine.names import is_helper_of


@pytest.mark.parametrize(
    ("name", "key", "is_its"),
    [
        ("uptainer-helper-web-0123456789ab", "web", True),
        ("uptainer-helper-web-db-0123456789ab", "web", False),
        ("uptainer-helper-web-db-0123456789ab", "web-db", True),
        ("uptainer-old-web-0123456789ab", "web", False),
        ("helper-web-0123456789ab", "web", False),
    ],
)
def test_a_helper_is_that_of_one_container(name: str, key: str, is_its: bool) -> None:
    assert is_helper_of(name, key) is is_its
