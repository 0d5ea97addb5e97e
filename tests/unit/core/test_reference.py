from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptainer.core.errors import InvalidInputError
from uptainer.core.reference import Reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27-alpine", "docker.io/library/nginx:1.27-alpine"),
        ("grafana/grafana", "docker.io/grafana/grafana:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
        ("docker.io/grafana/grafana:11", "docker.io/grafana/grafana:11"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("localhost:5000", "docker.io/library/localhost:5000"),
        ("127.0.0.1:5000/a/b/c:1", "127.0.0.1:5000/a/b/c:1"),
        ("[::1]:5000/app:1", "[::1]:5000/app:1"),
        ("ghcr.io/home-assistant/home-assistant:2024.1.5", "ghcr.io/home-assistant/home-assistant:2024.1.5"),
        ("Registry/app", "Registry/app:latest"),
        (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
        (f"nginx:1.27@{DIGEST}", f"docker.io/library/nginx:1.27@{DIGEST}"),
        ("a__b/c-d.e:x", "docker.io/a__b/c-d.e:x"),
        ("nginx:" + "1" * 128, "docker.io/library/nginx:" + "1" * 128),
    ],
)
def test_a_reference_is_read_with_docker_hubs_defaults(text: str, full: str) -> None:
    assert str(Reference.parse(text)) == full


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the name is empty"),
        ("Nginx", "capital letters"),
        ("nginx:", "not a tag"),
        ("nginx:-1", "not a tag"),
        ("nginx:" + "1" * 129, "not a tag"),
        ("nginx:ü", "not a tag"),
        ("nginx@sha256:abc", "not a digest"),
        ("nginx@" + DIGEST.upper(), "not a digest"),
        ("nginx@", "not a digest"),
        ("a" * 64, "image id"),
        (DIGEST, "image id"),
        ("/nginx", "not an image reference"),
        ("a//b", "not a repository name"),
        ("a/b/", "not a repository name"),
        ("a___b", "not a repository name"),
        ("-a.io/b", "not a host name"),
        ("nginx latest", "not a repository name"),
        ("https://ghcr.io/a/b", "not"),
        ("ghcr.io/" + "a" * 250, "longer than 255"),
    ],
)
def test_what_is_no_reference_is_refused_with_what_is_wrong(text: str, fault: str) -> None:
    with pytest.raises(InvalidInputError, match=fault):
        Reference.parse(text)


@pytest.mark.parametrize(
    ("text", "familiar"),
    [
        ("docker.io/library/nginx:1.27", "nginx:1.27"),
        ("docker.io/grafana/grafana:11", "grafana/grafana:11"),
        ("ghcr.io/a/b:1", "ghcr.io/a/b:1"),
    ],
)
def test_a_person_is_shown_the_short_form(text: str, familiar: str) -> None:
    assert Reference.parse(text).familiar == familiar


def test_what_is_deployed_is_the_digest_alone() -> None:
    pinned = Reference.parse("nginx:1.27").with_digest(DIGEST)

    assert str(pinned) == f"docker.io/library/nginx@{DIGEST}"
    assert pinned.with_tag("1.28").digest is None


def test_a_reference_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Reference.parse("nginx").tag = "2"  # type: ignore[misc]  # -- that it cannot be is what is tested


_names = st.from_regex(r"[a-z0-9]+([._-][a-z0-9]+){0,3}(/[a-z0-9]+){0,3}", fullmatch=True).filter(
    lambda t: len(t) < 100
)
_tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)


@given(name=_names, tag=_tags)
def test_reading_what_was_written_gives_the_same_reference(name: str, tag: str) -> None:
    try:
        reference = Reference.parse(f"{name}:{tag}")
    except InvalidInputError:
        return  # the first part looked like a host, and left no name
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(reference.familiar) == reference


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        Reference.parse(text)
    except InvalidInputError as error:
        assert str(error)  # noqa: PT017 -- either outcome is right; this one must say why
