"""One container's way through its registry: has its tag moved, is there a newer one, what does the tag stand for."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from uptainer.core.enums import ChangeLevel, CheckResult
from uptainer.core.errors import NotFoundError, UnsupportedError, UptainerError
from uptainer.core.images import Candidate
from uptainer.core.reference import Reference
from uptainer.images.asking import Asker
from uptainer.images.candidates import choose_tags, plausible_versions, says_more
from uptainer.images.manifests import Index, Manifest, suits
from uptainer.images.queries import Lookup, Query, Remembered
from uptainer.images.registry import Head

VERSION_LABEL = "org.opencontainers.image.version"
_TRIED_TAGS = 3
"""Tags tried on one level, where the better ones have no image for the platform."""
_TRIED_VERSIONS = 5
"""Version tags whose digests are compared to find out what a moving tag stands for."""


@dataclass(slots=True)
class Search:
    """One query's way through the registry; what fails on it is kept, and the rest goes on."""

    query: Query
    asker: Asker
    remembered: Remembered
    failures: list[str] = field(default_factory=list)
    unanswered: set[ChangeLevel] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    @property
    def tag(self) -> str:
        return self.query.reference.tag or "latest"

    @property
    def tagged(self) -> Reference:
        return self.query.reference.with_tag(self.tag)

    async def run(self) -> Lookup:
        head: Head | None = None
        candidates: list[Candidate] = []
        with self._owing(ChangeLevel.DIGEST):
            head = await self.asker.head(self.tagged, self.query.known)
            candidates += await self._moved(head)
        with self._owing(*(level for level in ChangeLevel if level is not ChangeLevel.DIGEST)):
            candidates += await self._newer()
        stands_for = None
        with _keeping(self.notes):
            stands_for = await self._stands_for()
        return self._conclude(head, tuple(candidates), stands_for)

    def _conclude(
        self, head: Head | None, candidates: tuple[Candidate, ...], stands_for: str | None
    ) -> Lookup:
        if candidates:
            result, reasons = CheckResult.CANDIDATES, self.failures
        elif self.failures:
            result, reasons = CheckResult.UNKNOWN, self.failures
        elif self.query.mixed:
            result, reasons = CheckResult.UNKNOWN, [self._mixture()]
        else:
            result, reasons = CheckResult.UP_TO_DATE, [f"{self.tag} still stands for what runs", *self.notes]
        reason = "; ".join(dict.fromkeys(reasons)) or f"{len(candidates)} found"
        unanswered = frozenset(self.unanswered)
        return Lookup(self.query.reference, result, reason, head, candidates, stands_for, unanswered)

    @contextmanager
    def _owing(self, *levels: ChangeLevel) -> Iterator[None]:
        """What fails inside leaves it open whether there is something newer on these levels."""
        try:
            yield
        except UptainerError as error:
            self._owe(error, *levels)

    def _owe(self, error: UptainerError, *levels: ChangeLevel) -> None:
        self.failures.append(str(error))
        self.unanswered.update(levels)

    def _mixture(self) -> str:
        name = self.query.reference.familiar
        return f"{len(self.query.mixed)} different images run, all called {name}: restart its rollout to have one"

    async def _moved(self, head: Head) -> list[Candidate]:
        """The tag's own new digest. An index is the same when its image for the platform is the one that runs."""
        if self.query.runs(head.digest):
            return []
        candidate = await self._describe(self.tagged, head.digest, ChangeLevel.DIGEST)
        if candidate is None:
            return []
        version = candidate.version
        with _keeping(self.notes):
            version = version or await self._version_of({head.digest})
        if version is None and self.query.policy.read(self.tag):
            version = self.tag
        return [replace(candidate, version=version)]

    async def _newer(self) -> list[Candidate]:
        policy = self.query.policy
        follows = policy.follows_versions and policy.read(self.tag) is not None
        tags = await self.asker.tags(self.tagged) if follows else ()
        choice = choose_tags(self.tag, tags, policy)
        if choice.reason:
            self.notes.append(choice.reason)
        found = [await self._best_of(level, ranked) for level, ranked in choice.ranked.items()]
        return [candidate for candidate in found if candidate]

    async def _best_of(self, level: ChangeLevel, ranked: Sequence[str]) -> Candidate | None:
        """The best tag that has an image for the platform; one that runs already under an older name ends it."""
        for tag in ranked[:_TRIED_TAGS]:
            try:
                candidate = await self._candidate(self.query.reference.with_tag(tag), level)
            except (NotFoundError, UnsupportedError) as error:
                self.notes.append(f"{tag} is passed over: {error}")
                continue
            except UptainerError as error:
                self._owe(error, level)
                return None
            if candidate is None:
                self.notes.append(f"{tag} is the image that runs")
            return candidate
        return None

    async def _candidate(self, reference: Reference, level: ChangeLevel) -> Candidate | None:
        head = await self.asker.head(reference)
        if self.query.runs(head.digest):
            return None
        earlier = self.remembered.get((head.digest, self.query.platform))
        if earlier and not self.query.others:
            return replace(earlier, reference=reference, level=level, version=reference.tag)
        return await self._describe(reference, head.digest, level)

    async def _describe(self, reference: Reference, digest: str, level: ChangeLevel) -> Candidate | None:
        """What the image for our platform says of itself; None where that image is the one that runs."""
        manifest = await self.asker.manifest(reference.with_digest(digest))
        several = isinstance(manifest, Index)
        if isinstance(manifest, Index):
            manifest = await self._manifest_in(manifest, reference)
        if self.query.runs(manifest.digest) or self.query.runs(manifest.config_digest):
            return None
        config = await self.asker.config(reference, manifest.config_digest)
        # An image of an index is for its own platform; one without an index has to suit them all.
        for platform in (self.query.platform, *(() if several else self.query.others)):
            if not suits(config.platform, platform):
                raise NotFoundError(f"{reference.familiar} is for {config.platform}, not for {platform}")
        version = self._told_by(config.labels) if level is ChangeLevel.DIGEST else reference.tag
        return Candidate(reference, digest, level, version, config.created_at, config.labels)

    async def _manifest_in(self, index: Index, reference: Reference) -> Manifest:
        digest = index.digest_for(self.query.platform)
        missing = [each for each in self.query.others if index.digest_for(each) is None]
        if digest is None or missing:
            lacked = ", ".join(str(each) for each in ([self.query.platform] if digest is None else missing))
            raise NotFoundError(f"{reference.familiar} has no image for {lacked}")
        manifest = await self.asker.manifest(reference.with_digest(digest))
        if isinstance(manifest, Index):
            raise UnsupportedError(f"{reference.familiar} is an index of indexes")
        return manifest

    async def _stands_for(self) -> str | None:
        """The version under a moving tag: what the image's label says, else the version tag with its digest."""
        return self._told_by(self.query.labels) or await self._version_of(self.query.digests)

    def _told_by(self, labels: Mapping[str, str]) -> str | None:
        label = labels.get(VERSION_LABEL)
        return label if label and says_more(self.tag, label, self.query.policy) else None

    async def _version_of(self, digests: Collection[str]) -> str | None:
        """The version tag that has one of these digests, where the policy spends requests on that."""
        policy = self.query.policy
        tags = await self.asker.tags(self.tagged) if policy.resolve_versions else ()
        for tag in plausible_versions(self.tag, tags, policy, limit=_TRIED_VERSIONS):
            if (await self.asker.head(self.query.reference.with_tag(tag))).digest in digests:
                return tag
        return None


@contextmanager
def _keeping(reasons: list[str]) -> Iterator[None]:
    """What fails inside is kept as a reason, and the rest of the search goes on."""
    try:
        yield
    except UptainerError as error:
        reasons.append(str(error))
