"""What a container wants to know of its image's registry, and the answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from uptainer.core.enums import ChangeLevel, CheckResult
from uptainer.core.images import Candidate
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.core.workloads import ContainerFacts
from uptainer.images.registry import Head
from uptainer.images.tag_policy import TagPolicy

Remembered = Mapping[tuple[str, Platform], Candidate]
"""Candidates of earlier runs by digest and platform: what an image says of itself never changes."""


@dataclass(frozen=True, slots=True)
class Query:
    """What one container, or many alike, wants to know.

    `digests` are those that the engine knows its image by: the repo digests (empty for an image that came from no
    registry), and `image_id`. `known` is what the reference stood for when last asked. `others` are the platforms of the
    other machines that it runs on: a newer image must be there for them as well. `mixed` are all the digests that its
    instances run by, where those are several.
    """

    reference: Reference
    platform: Platform
    policy: TagPolicy
    digests: frozenset[str]
    image_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)
    known: Head | None = field(default=None, compare=False)
    others: tuple[Platform, ...] = ()
    mixed: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, container: ContainerFacts, policy: TagPolicy, platform: Platform, known: Head | None = None
    ) -> Self:
        """The query of a container that discovery found; `platform` is its host's, for an image that does not say.

        Raises:
            InvalidInputError: the container was started from an image id, or from something that is no reference.
        """
        return cls(
            reference=Reference.parse(container.image_reference),
            platform=container.platform or platform,
            policy=policy,
            digests=frozenset(text.rpartition("@")[2] for text in container.repo_digests),
            image_id=container.image_id,
            labels=container.image_labels,
            known=known,
            others=_others(container),
            mixed=frozenset(container.details.get("digests", ())),
        )

    def runs(self, digest: str) -> bool:
        """Whether this digest, of an index, a manifest or a configuration, is one that the running image has."""
        return digest in self.digests or digest == self.image_id


def _others(container: ContainerFacts) -> tuple[Platform, ...]:
    """A workload of a cluster may have pods on nodes of several kinds; discovery notes them in its details."""
    found = (Platform.parse(each) for each in container.details.get("platforms", ()))
    return tuple(each for each in found if each != container.platform)


@dataclass(frozen=True, slots=True)
class Lookup:
    """The answer to one query. `reason` says in plain words why the result is what it is.

    `head` is what the reference's tag stands for now, None where that was not asked or not answered; `stands_for`
    the version that runs under a moving tag, None where that is not known. Candidates come nearest level first;
    `unanswered` are the levels of which it was not found out whether there is one.
    """

    reference: Reference
    result: CheckResult
    reason: str
    head: Head | None = None
    candidates: tuple[Candidate, ...] = ()
    stands_for: str | None = None
    unanswered: frozenset[ChangeLevel] = frozenset()

    @property
    def current_digest(self) -> str | None:
        return self.head.digest if self.head else None

    @property
    def etag(self) -> str | None:
        return self.head.etag if self.head else None
