import pytest

from uptainer.runtimes.podman.create_command import parse, with_image
from uptainer.runtimes.podman.options import refusals

LINES: list[tuple[str, dict[str, tuple[str, ...]], str, tuple[str, ...]]] = [
    ("podman run app", {}, "app", ()),
    (
        "podman run -d --name web app:1 sleep 1",
        {"detach": ("true",), "name": ("web",)},
        "app:1",
        ("sleep", "1"),
    ),
    ("podman run -dit -p80:80 -p 81:81 app", {"publish": ("80:80", "81:81")}, "app", ()),
    ("podman run --env=A=1 -e B=2 app -e C", {"env": ("A=1", "B=2")}, "app", ("-e", "C")),
    ("podman --root run --log-level debug run --rm=false app", {"rm": ("false",)}, "app", ()),
    ("podman container create --net front app", {"network": ("front",)}, "app", ()),
    ("podman --remote run --init -- app", {"init": ("true",)}, "app", ()),
    ("podman run --privileged --health-cmd true app", {"privileged": ("true",)}, "app", ()),
]


@pytest.mark.parametrize(("line", "options", "image", "arguments"), LINES, ids=[each[0] for each in LINES])
def test_a_command_line_is_read_as_podman_reads_it(
    line: str, options: dict[str, tuple[str, ...]], image: str, arguments: tuple[str, ...]
) -> None:
    command = parse(line.split())
    assert command is not None
    assert (command.image, command.arguments) == (image, arguments)
    assert {name: command.options[name] for name in options} == options


@pytest.mark.parametrize(
    "line", ["", "podman", "podman pod create", "podman play kube x.yml", "podman run --rm"]
)
def test_a_command_line_that_made_no_container_is_not_read(line: str) -> None:
    assert parse(line.split()) is None


def test_only_the_image_is_exchanged_in_a_command_line() -> None:
    words = ["podman", "run", "--label", "app:1", "app:1", "echo", "app:1"]
    assert with_image(words, "app:1", "app:2") == [
        "podman",
        "run",
        "--label",
        "app:1",
        "app:2",
        "echo",
        "app:1",
    ]


REFUSED = [
    ("--rm", "there would be no way back"),
    ("--rootfs", "runs from a folder"),
    ("--preserve-fds 1", "open files"),
    ("--cidfile /run/web", "stands in a file"),
    ("--not-known-yet value", "does not know the option --not-known-yet"),
    ("--volume /data:/data:O", "(O, U, idmap)"),
    ("--volume data:/data:ro,U", "(O, U, idmap)"),
    ("--mount type=image,source=other,target=/other", "would be asked for again"),
    ("--mount type=volume,source=a,target=/a,U=true", "would be asked for again (U=true)"),
    ("--mount type=volume,source=a,target=/a,subpath=b", "would be asked for again (subpath=b)"),
    ("--mount type=bind,source=/a,target=/a,relabel=private", "would be asked for again (relabel=private)"),
]


@pytest.mark.parametrize(("option", "reason"), REFUSED, ids=[option for option, _ in REFUSED])
def test_what_can_not_be_kept_is_refused_with_its_reason(option: str, reason: str) -> None:
    command = parse(f"podman run {option} app".split())
    assert command is not None
    assert [reason in each for each in refusals(command)] == [True]


@pytest.mark.parametrize(
    "option", ["--rm=false", "--volume data:/data:ro,z", "--mount type=tmpfs,target=/x", "-d -it"]
)
def test_what_can_be_kept_is_not_refused(option: str) -> None:
    command = parse(f"podman run {option} app".split())
    assert command is not None
    assert not list(refusals(command))
