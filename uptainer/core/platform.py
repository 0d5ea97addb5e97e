"""A platform, as images name it: operating system, architecture and variant.

Source: OCI image index specification, "platform"; containerd's platform normalisation.
"""

from dataclasses import dataclass
from typing import Self

from uptainer.core.errors import InvalidInputError

_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i386": ("386", ""),
    "i686": ("386", ""),
}
_IMPLIED_VARIANTS = {("arm64", "v8"): "", ("amd64", "v1"): "", ("arm", ""): "v7"}


@dataclass(frozen=True, slots=True)
class Platform:
    """`linux/arm/v7` and the like, normalised: `aarch64` is `arm64`, and `arm64/v8` is `arm64`."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def of(cls, os: str, architecture: str, variant: str = "") -> Self:
        arch, implied = _ARCHITECTURES.get(architecture.lower(), (architecture.lower(), ""))
        chosen = variant.lower() or implied
        return cls(os.lower(), arch, _IMPLIED_VARIANTS.get((arch, chosen), chosen))

    @classmethod
    def parse(cls, text: str) -> Self:
        parts = text.strip().split("/")
        if not 2 <= len(parts) <= 3 or not all(parts):  # noqa: PLR2004 -- os/architecture or os/architecture/variant
            raise InvalidInputError(f"{text!r} is not a platform: write it as linux/amd64 or linux/arm/v7")
        return cls.of(*parts)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)
