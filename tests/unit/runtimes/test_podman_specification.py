"""What Podman shows of a container, and the command line that made it, as libpod would make it again."""

import shlex
from typing import Any

import pytest

from uptainer.core.errors import RefusedError
from uptainer.runtimes.podman.create_command import parse
from uptainer.runtimes.podman.specification import Old, specification, without_secrets


def old(line: str, *, pod: str | None = None, **shown: Any) -> Old:
    words = shlex.split(f"podman run {line}")
    command = parse(words)
    assert command is not None
    container = {
        "Id": "a" * 64,
        "Config": {"CreateCommand": words, **shown.pop("config", {})},
        "HostConfig": {"LogConfig": {"Type": "k8s-file"}, **shown.pop("host", {})},
        "NetworkSettings": {"Networks": {name: {} for name in shown.pop("networks", ("podman",))}},
        **shown,
    }
    image = {"Config": {"Env": ["PATH=/bin"], "Labels": {"build": "1"}}}
    return Old(container, image, command, {"b" * 64: "db"}, pod)


def made(line: str, **options: Any) -> dict[str, Any]:
    return specification(old(line, **options), "beside", "app:2")


def test_the_image_s_defaults_and_what_podman_sets_are_not_asked_for() -> None:
    variables = ["PATH=/bin", "TERM=xterm", "HOME=/root", "HOSTNAME=x", "container=podman", "MINE=1"]
    body = made("app:1", config={"Env": variables, "Labels": {"build": "1", "own": "yes"}})
    assert body["env"] == {"MINE": "1"}
    assert body["labels"] == {"own": "yes"}
    assert "command" not in body


def test_a_variable_that_podman_would_set_is_kept_where_it_was_asked_for() -> None:
    assert made("-e HOME=/x app:1", config={"Env": ["HOME=/x", "TERM=xterm"]})["env"] == {"HOME": "/x"}


def test_a_variable_that_was_asked_for_stays_where_the_old_image_had_the_same() -> None:
    assert made("--env PATH=/bin app:1", config={"Env": ["PATH=/bin"]})["env"] == {"PATH": "/bin"}


def test_a_label_that_was_asked_for_stays_where_the_old_image_had_the_same() -> None:
    assert made("--label build=1 app:1", config={"Labels": {"build": "1"}})["labels"] == {"build": "1"}


@pytest.mark.parametrize("option", ["--env-file app.env", "--env-host"])
def test_a_variable_that_may_come_from_a_file_is_the_user_s(option: str) -> None:
    of_the_user = ["HTTP_PROXY=http://proxy", "no_proxy=.lan", "HOME=/srv", "TERM=dumb"]
    body = made(f"{option} app:1", config={"Env": ["PATH=/bin", "HOSTNAME=abc", *of_the_user]})
    assert body["env"] == {"HTTP_PROXY": "http://proxy", "no_proxy": ".lan", "HOME": "/srv", "TERM": "dumb"}


def test_proxies_that_podman_hands_on_are_not_asked_for() -> None:
    assert "env" not in made("app:1", config={"Env": ["HTTP_PROXY=http://proxy", "https_proxy=x"]})


def test_the_value_of_a_secret_is_never_asked_for() -> None:
    body = made("--secret token,type=env,target=T app:1", config={"Env": ["T=very secret"]})
    assert body["secret_env"] == {"T": "token"}
    assert "very secret" not in str(body)


SECRETS = ["token,type=env,target=T", "type=env,source=token,target=T", "target=T,source=token,type=env"]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_as_variable_is_read_in_any_order(secret: str) -> None:
    body = made(f"--secret {secret} app:1", config={"Env": ["T=very secret"]})
    assert body["secret_env"] == {"T": "token"}
    assert not {"env", "secrets"} & set(body)


@pytest.mark.parametrize("secret", ["token,mode=0400,uid=5", "uid=5,source=token,type=mount,mode=0400"])
def test_a_secret_as_file_is_read_in_any_order(secret: str) -> None:
    body = made(f"--secret {secret} app:1")
    assert body["secrets"] == [{"Source": "token", "Target": "", "UID": 5, "GID": 0, "Mode": 0o400}]


def test_what_is_kept_of_a_container_holds_no_value_of_a_secret() -> None:
    kept = without_secrets(
        old("--secret token,type=env app:1", config={"Env": ["token=s3c", "A=1"]}).container
    )
    assert kept["Config"]["Env"] == ["token=", "A=1"]


def test_a_container_that_no_command_line_made_is_kept_as_it_is() -> None:
    shown = {"Config": {"Env": ["A=1"], "CreateCommand": None}}
    assert without_secrets(shown) == shown


def test_the_command_line_that_is_kept_names_the_new_image() -> None:
    assert made("--label app:1 app:1 run")["containerCreateCommand"][-2:] == ["app:2", "run"]


def test_in_a_pod_the_network_is_the_pod_s() -> None:
    body = made("--pod shop app:1", pod="shop", host={"PortBindings": {"80/tcp": [{"HostPort": "80"}]}})
    assert body["pod"] == "shop"
    assert not {"netns", "Networks", "portmappings"} & set(body)


def test_another_container_is_named_and_not_known_by_an_id_that_may_change() -> None:
    body = made(f"--network container:{'b' * 64} --pid container:db app:1", networks=())
    assert body["netns"] == {"nsmode": "container", "value": "db"}
    assert body["pidns"] == {"nsmode": "container", "value": "db"}


VOLUME = {"RW": True, "Type": "volume", "Name": "data", "Destination": "/data"}
BRIDGE = {"NetworkMode": "bridge"}


def test_who_was_moved_off_the_default_network_stays_where_it_is() -> None:
    body = made("--network-alias web app:1", networks=("back",), host=BRIDGE)
    assert body["Networks"] == {"back": {"aliases": ["web"]}}
    assert made("app:1", networks=("back",), host=BRIDGE)["Networks"] == {"back": {}}


def test_without_a_bridge_no_network_is_asked_for() -> None:
    assert "Networks" not in made("app:1", networks=(), host={"NetworkMode": "slirp4netns"})


LOST: list[tuple[str, dict[str, Any], str]] = [
    ("--network front app:1", {"networks": ("front", "back")}, "connected with later"),
    ("app:1", {"networks": ("podman", "back"), "host": BRIDGE}, "made with the default one"),
    ("--network bridge app:1", {"networks": (), "host": BRIDGE}, "networks are none"),
    ("--userns auto -v data:/data app:1", {"Mounts": [VOLUME]}, "other user ids"),
    ("--userns auto:uidmapping=0:1:2 app:1", {}, "how --userns=auto:uidmapping=0:1:2"),
    ("--security-opt something=new app:1", {}, "does not know --security-opt something=new"),
]


@pytest.mark.parametrize(("line", "shown", "reason"), LOST, ids=[reason for _, _, reason in LOST])
def test_what_could_not_be_asked_for_again_is_refused(line: str, shown: dict[str, Any], reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        made(line, **shown)


def test_ids_that_podman_chooses_are_asked_for_as_they_were_where_nothing_is_written() -> None:
    body = made("--userns auto:size=1024 app:1")
    assert body["userns"]["nsmode"] == "auto"
    assert body["idmappings"] == {"AutoUserNs": True, "AutoUserNsOpts": {"Size": 1024}}
