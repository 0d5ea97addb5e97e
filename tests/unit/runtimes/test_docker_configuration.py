"""What the user set is what is not the image's default."""

from typing import Any

import pytest

from uptainer.runtimes.docker.configuration import (
    bind_destination,
    host_name,
    host_settings,
    moved_labels,
    user_settings,
)

CONTAINER_ID = "a" * 64
UNNAMED = "b" * 64


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "image_entrypoint", "image_cmd", "own_entrypoint", "own_cmd"),
    [
        (None, ["serve"], None, ["serve"], None, None),
        (None, ["mine"], None, ["serve"], None, ["mine"]),
        (["/e"], ["serve"], ["/e"], ["serve"], None, None),
        (["/e"], ["mine"], ["/e"], ["serve"], None, ["mine"]),
        (["/mine"], None, ["/e"], ["serve"], ["/mine"], None),
        (["/mine"], ["serve"], ["/e"], ["serve"], ["/mine"], ["serve"]),
        (None, ["mine"], ["/e"], ["serve"], [""], ["mine"]),
        (["/e"], None, ["/e"], ["serve"], ["/e"], None),
        (["/e"], None, ["/e"], None, None, None),
        (["/mine"], ["x"], None, None, ["/mine"], ["x"]),
    ],
    ids=[
        "all default",
        "own command",
        "all default with entrypoint",
        "own command for the image's entrypoint",
        "own entrypoint takes the image's command away",
        "own entrypoint with a command that looks like the image's",
        "entrypoint taken away",
        "the image's entrypoint said again, which takes the command away",
        "no command anywhere",
        "all own",
    ],
)
def test_entrypoint_and_command_are_judged_together(
    *,
    entrypoint: list[str] | None,
    cmd: list[str] | None,
    image_entrypoint: list[str] | None,
    image_cmd: list[str] | None,
    own_entrypoint: list[str] | None,
    own_cmd: list[str] | None,
) -> None:
    own = user_settings(
        {"Entrypoint": entrypoint, "Cmd": cmd}, {"Entrypoint": image_entrypoint, "Cmd": image_cmd}
    )
    assert (own["Entrypoint"], own["Cmd"]) == (own_entrypoint, own_cmd)


@pytest.mark.parametrize(
    ("field", "value", "default", "own"),
    [
        ("Env", ["A=1", "B=2"], ["B=2"], ["A=1"]),
        ("Env", ["B=3"], ["B=2"], ["B=3"]),
        ("Env", ["PATH"], ["PATH=/bin"], ["PATH"]),
        ("Env", None, None, []),
        ("Labels", {"a": "1", "b": "2"}, {"b": "2"}, {"a": "1"}),
        ("Labels", {"b": "3"}, {"b": "2"}, {"b": "3"}),
        ("ExposedPorts", {"80/tcp": {}, "90/tcp": {}}, {"80/tcp": {}}, {"90/tcp": {}}),
        ("Volumes", {"/a": {}, "/b": {}}, {"/a": {}}, {"/b": {}}),
        ("User", "app", "app", ""),
        ("User", "root", "app", "root"),
        ("WorkingDir", "/srv", "/srv", ""),
        ("StopSignal", "SIGINT", "SIGTERM", "SIGINT"),
        ("Shell", ["/bin/sh"], ["/bin/sh"], None),
        ("Healthcheck", {"Test": ["NONE"]}, {"Test": ["CMD", "x"]}, {"Test": ["NONE"]}),
        ("Healthcheck", {"Test": ["CMD", "x"], "Retries": 3}, {"Test": ["CMD", "x"]}, {"Retries": 3}),
        ("Healthcheck", {"Test": ["CMD", "x"]}, {"Test": ["CMD", "x"]}, None),
        ("StopTimeout", 5, None, 5),
        ("Tty", True, None, True),
    ],
)
def test_a_setting_is_the_users_where_it_differs(field: str, value: Any, default: Any, own: Any) -> None:
    assert user_settings({field: value}, {field: default})[field] == own


def container(mode: str = "default", hostname: str = "", **more: Any) -> dict[str, Any]:
    host = {"NetworkMode": mode, **more.pop("HostConfig", {})}
    return {
        "Id": CONTAINER_ID,
        "Config": {"Hostname": hostname, "Domainname": "d"},
        "HostConfig": host,
        **more,
    }


@pytest.mark.parametrize(
    ("mode", "hostname", "kept"),
    [
        ("default", CONTAINER_ID[:12], ""),
        ("default", "web", "web"),
        ("host", "server", ""),
        ("host", "other", "other"),
        ("bridge", "server", "server"),
        ("container:" + "c" * 64, "whatever", ""),
    ],
)
def test_a_host_name_is_kept_only_where_the_user_chose_it(mode: str, hostname: str, kept: str) -> None:
    assert host_name(container(mode, hostname), "server")["Hostname"] == kept


def test_other_containers_are_meant_by_name() -> None:
    other = "c" * 64
    host = {
        "IpcMode": f"container:{other}",
        "PidMode": "host",
        "VolumesFrom": [f"{other}:ro", "named"],
        "Links": ["/db:/web/database"],
    }
    asked = host_settings(container(f"container:{other}", HostConfig=host), {other: "db"}, frozenset())
    assert asked["NetworkMode"] == asked["IpcMode"] == "container:db"
    assert asked["PidMode"] == "host"
    assert asked["VolumesFrom"] == ["db:ro", "named"]
    assert asked["Links"] == ["db:database"]


def test_unnamed_volumes_are_carried_over_by_the_name_they_got_and_each_once() -> None:
    volume = {"Type": "volume", "Name": UNNAMED, "RW": True}
    mounts = [
        {**volume, "Destination": "/declared"},
        {**volume, "Destination": "/read-only", "RW": False},
        {**volume, "Destination": "/bound"},
        {**volume, "Destination": "/mounted"},
        {**volume, "Destination": "/inherited"},
        {**volume, "Destination": "/named", "Name": "data"},
        {"Type": "bind", "Source": "/x", "Destination": "/x"},
    ]
    host = {"Binds": [f"{UNNAMED}:/bound:rw"], "Mounts": [{"Type": "volume", "Target": "/mounted"}]}
    asked = host_settings(container(HostConfig=host, Mounts=mounts), {}, frozenset({"/inherited"}))
    assert asked["Binds"] == [f"{UNNAMED}:/bound:rw", f"{UNNAMED}:/declared", f"{UNNAMED}:/read-only:ro"]
    assert asked["Mounts"] == [{"Type": "volume", "Target": "/mounted", "Source": UNNAMED}]


@pytest.mark.parametrize(
    ("bind", "destination"),
    [("data:/data", "/data"), ("/a:/b:ro,z", "/b"), ("data:/data/:nocopy", "/data"), ("/:/", "/")],
)
def test_the_destination_of_a_bind_is_read(bind: str, destination: str) -> None:
    assert bind_destination(bind) == destination


def test_only_a_true_note_of_the_image_moves_along() -> None:
    note = "com.docker.compose.image"
    assert moved_labels({note: "old", "a": "b"}, "old", "new") == {note: "new", "a": "b"}
    assert moved_labels({note: "stale"}, "old", "new") == {note: "stale"}
    assert moved_labels({}, "old", "new") == {}
