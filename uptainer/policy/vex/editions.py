"""Which edition of which document one is: a newer one says all that its issuer has to say, also by what it leaves out.

Source: OpenVEX 0.2, "Document Struct Fields"; CycloneDX 1.6, `serialNumber` and `version`; CSAF 2.0, 3.2.1.12 "Tracking".
"""

import re
from dataclasses import dataclass

_VERSION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})*")


@dataclass(frozen=True, slots=True)
class Edition:
    """`document` is "" where it does not say which it is. `version` is empty where it has none that can be compared."""

    document: str = ""
    version: tuple[int, ...] = ()

    def supersedes(self, other: "Edition") -> bool:
        same = self.document == other.document != ""
        return same and bool(other.version) and self.version > other.version

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


NO_EDITION = Edition()


def read_version(given: int | str) -> tuple[int, ...]:
    """An integer, or a semantic version without what is beside its numbers."""
    found = _VERSION.match(str(given))
    return tuple(map(int, found[0].split("."))) if found else ()
