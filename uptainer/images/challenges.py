"""What a 401 asks for: the `WWW-Authenticate` header, read.

Source: RFC 9110 section 11.6.1, and https://distribution.github.io/distribution/spec/auth/token/.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_SCHEME = re.compile(r"[ ,]*(?P<scheme>[A-Za-z][A-Za-z0-9_-]*)(?:[ ]+|$|(?=,))(?![ ]*=)")
_PARAMETER = re.compile(
    r'[ ,]*(?P<name>[A-Za-z0-9_-]+)[ ]*=[ ]*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^", ]*))'
)


@dataclass(frozen=True, slots=True)
class Challenge:
    """`scheme` is in lower case, `basic` or `bearer` among others."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def realm(self) -> str:
        return self.parameters.get("realm", "")

    @property
    def service(self) -> str:
        return self.parameters.get("service", "")


def read_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """All challenges of one or more header lines; what is not one is passed over."""
    return tuple(challenge for header in headers for challenge in _read(header[:4096]))


def _read(header: str) -> list[Challenge]:
    challenges: list[Challenge] = []
    at = 0
    while scheme := _SCHEME.match(header, at):
        at = scheme.end()
        parameters: dict[str, str] = {}
        while parameter := _PARAMETER.match(header, at):
            at = parameter.end()
            value = (
                parameter["bare"]
                if parameter["quoted"] is None
                else re.sub(r"\\(.)", r"\1", parameter["quoted"])
            )
            parameters.setdefault(parameter["name"].lower(), value)
        challenges.append(Challenge(scheme["scheme"].lower(), parameters))
    return challenges
