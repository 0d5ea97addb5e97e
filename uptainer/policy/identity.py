"""Which image is meant, as far as what is allowed or stated has to be told apart by it."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from uptainer.core.reference import Reference


@dataclass(frozen=True, slots=True)
class ImageIdentity:
    """`reference` is None for an image that is known by its id alone; `architecture` "" where it is not known."""

    reference: Reference | None = None
    digests: frozenset[str] = field(default_factory=frozenset)
    architecture: str = ""

    @property
    def forms(self) -> tuple[str, ...]:
        """Each way in which a person may write it."""
        if self.reference is None:
            return tuple(sorted(self.digests))
        bare = Reference(self.reference.registry, self.reference.repository)
        tagged = bare.with_tag(self.reference.tag) if self.reference.tag else bare
        pinned = [bare.with_digest(each) for each in sorted(self.digests)]
        return tuple(form for each in (bare, tagged, *pinned) for form in (str(each), each.familiar))


def is_like(pattern: str, value: str) -> bool:
    """A glob (`*`, `?`, `[...]`) over the whole; "" is like everything."""
    return not pattern or value == pattern or fnmatchcase(value, pattern)
