"""The command line that made a container, which Podman keeps with it: what the user asked for, word by word. Pure.

Inspecting shows what became of most options, and of some (secrets, sysctls, static addresses, the order of an
entrypoint's words) too little to make the container again. The command line has them all.

Source: podman-run(1), podman-create(1); pflag's grammar of flags.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_SHORT = {
    "a": "attach",
    "c": "cpu-shares",
    "d": "detach",
    "e": "env",
    "h": "hostname",
    "i": "interactive",
    "l": "label",
    "m": "memory",
    "P": "publish-all",
    "p": "publish",
    "q": "quiet",
    "t": "tty",
    "u": "user",
    "v": "volume",
    "w": "workdir",
}
_OTHER_NAMES = {"net": "network", "dns-opt": "dns-option", "healthcheck-command": "health-cmd"}
_SWITCH_NAMES = (
    "detach disable-content-trust env-host help http-proxy init interactive no-healthcheck no-hosts no-hostname "
    "oom-kill-disable passwd privileged publish-all quiet read-only read-only-tmpfs replace rm rmi rootfs sig-proxy "
    "tls-verify tty unsetenv-all"
)
_SWITCHES = frozenset(_SWITCH_NAMES.split())
_GLOBAL_SWITCHES = frozenset(
    {"--remote", "-r", "--trace", "--syslog", "--transient-store", "--noout", "--help", "-h"}
)
_TRUE = frozenset({"true", "1", "t", "T", "TRUE", "True"})


@dataclass(frozen=True, slots=True)
class CreateCommand:
    """`options` by long name, each with its values in order; `image` as written; `arguments` is the command behind it."""

    options: Mapping[str, tuple[str, ...]]
    image: str
    arguments: tuple[str, ...]

    def values(self, name: str) -> tuple[str, ...]:
        return self.options.get(name, ())

    def value(self, name: str) -> str | None:
        """The last one counts."""
        return self.options[name][-1] if name in self.options else None

    def is_on(self, name: str, *, default: bool = False) -> bool:
        value = self.value(name)
        return default if value is None else value in _TRUE

    def has(self, *names: str) -> bool:
        return any(name in self.options for name in names)


def parse(words: Sequence[str]) -> CreateCommand | None:
    """None where it is no `podman run` or `podman create`, as for a container that was made over the API."""
    rest = _behind_verb(words)
    if rest is None:
        return None
    options: dict[str, tuple[str, ...]] = {}
    reader = _Reader(rest)
    for name, value in reader:
        options[name] = (*options.get(name, ()), value)
    if not reader.left:
        return None
    return CreateCommand(options, reader.left[0], tuple(reader.left[1:]))


def with_image(words: Sequence[str], old: str, new: str) -> list[str]:
    """The same command line for another image: tools that start the container anew go by it."""
    rest = _behind_verb(words) or []
    reader = _Reader(rest)
    for _ in reader:
        pass
    position = len(words) - len(reader.left)
    return [new if at == position and word == old else word for at, word in enumerate(words)]


def write(command: CreateCommand) -> list[str]:
    """A command line that says the same."""
    options = [f"--{name}={value}" for name, values in command.options.items() for value in values]
    return ["podman", "create", *options, command.image, *command.arguments]


def _behind_verb(words: Sequence[str]) -> list[str] | None:
    rest = list(words[1:])
    while rest:
        word = rest.pop(0)
        if word in ("run", "create"):
            return rest
        if word.startswith("-") and "=" not in word and word not in _GLOBAL_SWITCHES:
            rest = rest[1:]
        elif not word.startswith("-") and word != "container":
            return None
    return None


class _Reader:
    """Flags until the first word that is none; `left` is what follows them."""

    def __init__(self, words: Sequence[str]) -> None:
        self.left = list(words)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        while self.left and self.left[0].startswith("-") and self.left[0] != "-":
            word = self.left.pop(0)
            if word == "--":
                return
            yield from self._long(word[2:]) if word.startswith("--") else self._short(word[1:])

    def _long(self, word: str) -> Iterator[tuple[str, str]]:
        name, equals, value = word.partition("=")
        name = _OTHER_NAMES.get(name, name)
        if equals:
            yield name, value
        else:
            yield name, "true" if name in _SWITCHES else self._next()

    def _short(self, letters: str) -> Iterator[tuple[str, str]]:
        """`-dit`, `-p80:80`, `-e=A=1`."""
        while letters:
            name, letters = _SHORT.get(letters[0], letters[0]), letters[1:]
            if name not in _SWITCHES:
                yield name, letters.removeprefix("=") if letters else self._next()
                return
            yield name, "true"

    def _next(self) -> str:
        return self.left.pop(0) if self.left else ""
