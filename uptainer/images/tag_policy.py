"""Which tags a container may follow: checked once, where it enters, and never again where it is used."""

from dataclasses import dataclass, replace
from typing import Self

from uptainer.core.enums import ChangeLevel
from uptainer.core.errors import InvalidInputError
from uptainer.core.patterns import compile_pattern, matches, split_transform, transform_tag
from uptainer.images.versions import Scheme, Version, read_version

LEVELS = (ChangeLevel.DIGEST, ChangeLevel.PATCH, ChangeLevel.MINOR, ChangeLevel.MAJOR)
"""From the nearest to the farthest; a policy names the farthest that it wants to hear of."""


@dataclass(frozen=True, slots=True)
class TagPolicy:
    """Made by `compile`, which refuses what cannot work.

    `level` is the farthest change that is looked for: DIGEST asks for nothing but the tag itself.
    `follow_pinned` follows the tag of a `name:tag@digest`. `resolve_versions` spends a few more requests to find
    the version that a moving tag stands for, where the image's labels do not say.
    """

    scheme: Scheme = Scheme.AUTO
    level: ChangeLevel = ChangeLevel.DIGEST
    include: str | None = None
    exclude: str | None = None
    transform: str | None = None
    follow_pinned: bool = False
    resolve_versions: bool = False

    @classmethod
    def compile(
        cls,
        *,
        scheme: str = Scheme.AUTO,
        level: str = ChangeLevel.DIGEST,
        include: str | None = None,
        exclude: str | None = None,
        transform: str | None = None,
        follow_pinned: bool = False,
        resolve_versions: bool = False,
    ) -> Self:
        """Check every part of a configured policy.

        Raises:
            InvalidInputError: one of them is wrong; the message names it and says why.
        """
        for pattern, purpose in ((include, "include"), (exclude, "exclude")):
            if pattern is not None:
                compile_pattern(pattern, purpose)
        if transform is not None:
            split_transform(transform)
        return cls(
            _scheme(scheme), _level(level), include, exclude, transform, follow_pinned, resolve_versions
        )

    @property
    def follows_versions(self) -> bool:
        return self.scheme is not Scheme.DIGEST and self.level is not ChangeLevel.DIGEST

    def allows(self, level: ChangeLevel) -> bool:
        return level in LEVELS and LEVELS.index(level) <= LEVELS.index(self.level)

    def admits(self, tag: str) -> bool:
        """Whether the include and exclude patterns let a tag be a candidate."""
        if self.include is not None and not matches(self.include, "include", tag):
            return False
        return self.exclude is None or not matches(self.exclude, "exclude", tag)

    def read(self, tag: str) -> Version | None:
        """The version that a tag names under this policy's scheme, after its transform."""
        text = tag if self.transform is None else transform_tag(self.transform, tag)
        version = read_version(text, self.scheme)
        return version and replace(version, tag=tag)


def _scheme(text: str) -> Scheme:
    try:
        return Scheme(text)
    except ValueError:
        raise InvalidInputError(
            f"{text!r} is not a scheme of versions: choose one of {', '.join(Scheme)}"
        ) from None


def _level(text: str) -> ChangeLevel:
    if text not in LEVELS:
        raise InvalidInputError(f"{text!r} is not a level of change: choose one of {', '.join(LEVELS)}")
    return ChangeLevel(text)
