import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from uptainer.core.errors import AccessDeniedError, InvalidInputError
from uptainer.images.credentials import Credential, DockerConfig, Keychain, ask_helper, default_config_path

HELPER = """#!/bin/sh
[ "$1" = get ] || exit 3
read -r server
case "$server" in
  https://index.docker.io/v1/) echo '{"ServerURL":"x","Username":"hubber","Secret":"hub-secret"}' ;;
  token.example) echo '{"ServerURL":"x","Username":"<token>","Secret":"identity"}' ;;
  broken.example) echo 'no json' ;;
  failing.example) echo 'the keychain is locked: hub-secret'; exit 1 ;;
  slow.example) exec sleep 60 ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
"""


def write_config(folder: Path, content: Any) -> DockerConfig:
    path = folder / "config.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return DockerConfig.load(path)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    program = tmp_path / "docker-credential-lab"
    program.write_text(HELPER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return "lab"


@pytest.mark.parametrize(
    ("key", "registry"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("ghcr.io", "ghcr.io"),
        ("https://ghcr.io", "ghcr.io"),
        ("https://GHCR.io/v2/", "ghcr.io"),
        ("localhost:5000", "localhost:5000"),
        ("http://localhost:5000", "localhost:5000"),
    ],
)
async def test_an_entry_is_found_under_every_name_of_its_registry(
    tmp_path: Path, key: str, registry: str
) -> None:
    keychain = Keychain(config=write_config(tmp_path, {"auths": {key: {"auth": encoded("user:pa:ss")}}}))

    assert await keychain.find(registry) == Credential("user", "pa:ss")


@pytest.mark.parametrize(
    "registry", ["evil.example", "docker.io.evil.example", "ghcr.io:8443", "sub.ghcr.io", "localhost:5001"]
)
async def test_a_credential_is_for_its_own_host_only(tmp_path: Path, registry: str) -> None:
    auths = {
        key: {"auth": encoded("u:p")} for key in ("https://index.docker.io/v1/", "ghcr.io", "localhost:5000")
    }
    keychain = Keychain({"quay.io": Credential("q", "p")}, write_config(tmp_path, {"auths": auths}))

    assert await keychain.find(registry) is None


async def test_what_was_given_explicitly_comes_before_dockers_file(tmp_path: Path) -> None:
    config = write_config(
        tmp_path, {"auths": {"ghcr.io": {"auth": encoded("file:p")}, "quay.io": {"auth": encoded("f:p")}}}
    )
    keychain = Keychain({"https://ghcr.io/": Credential("block", "p")}, config)

    assert await keychain.find("ghcr.io") == Credential("block", "p")
    assert await keychain.find("quay.io") == Credential("f", "p")


@pytest.mark.parametrize(
    ("entry", "credential"),
    [
        ({"username": "u", "password": "p"}, Credential("u", "p")),
        ({"auth": encoded("u:p\0\0")}, Credential("u", "p")),
        ({"auth": encoded("u:"), "identitytoken": "t"}, Credential("u", "", identity_token="t")),
        ({"registrytoken": "r"}, Credential(registry_token="r")),
        ({}, None),
        ({"auth": ""}, None),
    ],
)
async def test_each_kind_of_entry_is_read(
    tmp_path: Path, entry: dict[str, str], credential: Credential | None
) -> None:
    assert (
        await Keychain(config=write_config(tmp_path, {"auths": {"a.io": entry}})).find("a.io") == credential
    )


async def test_no_file_means_no_credentials(tmp_path: Path) -> None:
    assert await Keychain(config=DockerConfig.load(tmp_path / "none.json")).find("docker.io") is None


def test_docker_config_says_where_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert default_config_path({"DOCKER_CONFIG": "/etc/docker-client"}) == Path(
        "/etc/docker-client/config.json"
    )
    assert default_config_path({}) == tmp_path / ".docker" / "config.json"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("not json hunter2", "is not JSON"),
        ("[]", "not a Docker configuration"),
        ({"auths": ["hunter2"]}, "'auths' is not an object"),
        ({"auths": {"a.io": "hunter2"}}, "the entry for 'a.io' is not an object"),
        ({"auths": {"a.io": {"auth": "hunter2"}}}, "does not hold a user name and a password"),
        ({"auths": {"a.io": {"auth": encoded("hunter2")}}}, "does not hold a user name and a password"),
        ({"credHelpers": {"a.io": "../../bin/sh"}}, "no plain program name"),
        ({"credsStore": "x; rm -rf /"}, "no plain program name"),
        ({"credsStore": ["x"]}, "no plain program name"),
    ],
)
def test_a_broken_file_is_refused_without_quoting_it(tmp_path: Path, content: Any, fault: str) -> None:
    with pytest.raises(InvalidInputError, match=fault) as raised:
        write_config(tmp_path, content)

    assert "hunter2" not in str(raised.value)


def test_no_secret_is_ever_shown() -> None:
    credential = Credential("user", "hunter2", "hunter2", "hunter2")

    assert "hunter2" not in f"{credential!r} {credential}"


async def test_the_common_helper_is_asked_by_dockers_own_name_for_the_hub(
    tmp_path: Path, helper: str
) -> None:
    keychain = Keychain(config=write_config(tmp_path, {"credsStore": helper}))

    assert await keychain.find("docker.io") == Credential("hubber", "hub-secret")
    assert await keychain.find("token.example") == Credential(identity_token="identity")
    assert await keychain.find("elsewhere.example") is None


async def test_a_registrys_own_helper_comes_before_the_common_one(tmp_path: Path, helper: str) -> None:
    config = write_config(tmp_path, {"credsStore": "missing", "credHelpers": {"token.example": helper}})

    assert await Keychain(config=config).find("token.example") == Credential(identity_token="identity")


@pytest.mark.parametrize(
    ("server", "patience", "fault"),
    [
        ("broken.example", 20, "no credential"),
        ("failing.example", 20, "failed for failing.example"),
        ("slow.example", 0.2, "did not answer for slow.example in 0.2 seconds"),
    ],
)
async def test_a_helper_that_does_not_answer_is_an_error_and_not_no_credential(
    helper: str, server: str, patience: float, fault: str
) -> None:
    with pytest.raises(AccessDeniedError, match=fault) as raised:
        await ask_helper(helper, server, Path("config.json"), patience=patience)

    assert "hub-secret" not in str(raised.value)


async def test_a_helper_that_is_not_installed_is_named(tmp_path: Path, helper: str) -> None:
    keychain = Keychain(config=write_config(tmp_path, {"credsStore": "absent"}))

    with pytest.raises(AccessDeniedError, match=r"docker-credential-absent.*not installed"):
        await keychain.find("docker.io")


def test_one_keychain_serves_several_runs(tmp_path: Path, helper: str) -> None:
    keychain = Keychain(config=write_config(tmp_path, {"credsStore": helper}))

    for _ in range(2):
        assert anyio.run(keychain.find, "docker.io") == Credential("hubber", "hub-secret")


async def test_a_helper_is_asked_once_for_all_who_want_to_know(tmp_path: Path, helper: str) -> None:
    program = tmp_path / f"docker-credential-{helper}"
    program.write_text(HELPER.replace("read -r", f"echo x >> {tmp_path}/asked; read -r"))
    keychain = Keychain(config=write_config(tmp_path, {"credsStore": helper}))

    await asyncio.gather(*(keychain.find(name) for name in ("docker.io", "index.docker.io", "docker.io")))

    assert (tmp_path / "asked").read_text() == "x\n"
