"""What an undo puts in the new image's place. Pure."""

from collections.abc import Collection

from uptainer.core.errors import InvalidInputError, RefusedError
from uptainer.core.reference import Reference
from uptainer.runtimes.kubernetes.pins import pinned
from uptainer.runtimes.kubernetes.pods import digest_in
from uptainer.runtimes.kubernetes.templates import CRON_JOB
from uptainer.runtimes.port import ReplacementRequest


def way_back(request: ReplacementRequest, before: str, running: Collection[str], *, kind: str) -> str:
    """The image that stood there, by the digest that ran: by the time of an undo its tag may stand for another one, and
    where only the digest behind the same tag is new, it does so already.

    `running` are the digests that the workload runs by, each as `name@digest`, "" for an image that came from no
    registry. Where they don't give one that its registry can serve, it is `before` itself.

    Raises:
        RefusedError: that would be the new image, for it is called as the old one.
    """
    if digest_in(before) or (not running and kind != CRON_JOB):
        return before
    name, same_tag = Reference.parse(before), Reference.parse(before) == request.tag
    digests = {_digest_of(each, None if same_tag else name) for each in running}
    if len(digests) == 1 and (digest := digests.pop()):
        return pinned(before, name, digest)
    if same_tag:
        raise RefusedError(f"{request.key} {_why_not(before, running)}")
    return before


def described(before: str, back: str) -> str:
    """The way back in words; "" where what stood there is a digest, and nothing need be said of it."""
    if back != before:
        return f"what an undo puts back is {back}, which is what runs now"
    return "" if digest_in(before) else f"an undo puts {before} back, whatever that stands for by then"


def _digest_of(repo_digest: str, under: Reference | None) -> str:
    """None is "": it came from no registry, or from another one, which may know it by another digest."""
    try:
        found = Reference.parse(repo_digest)
    except InvalidInputError:
        return ""
    return found.digest or "" if under is None or found.name == under.name else ""


def _why_not(before: str, running: Collection[str]) -> str:
    if not running:
        return (
            f"keeps no job that tells which image {before} was, so there is no one way back: run it once and keep that "
            "job (successfulJobsHistoryLimit), or name the image by its digest"
        )
    if len(running) > 1:
        return (
            f"runs {len(running)} different images, all called {before}, so there is no one way back: restart its "
            "rollout first"
        )
    return f"runs an image {before} that came from no registry, so there is no way back to it"
