"""What an undo puts in the new image's place. Pure."""

from collections.abc import Collection

from uptainer.core.errors import RefusedError
from uptainer.core.reference import Reference
from uptainer.runtimes.kubernetes.pins import pinned
from uptainer.runtimes.kubernetes.pods import digest_in
from uptainer.runtimes.kubernetes.templates import CRON_JOB
from uptainer.runtimes.port import ReplacementRequest


def way_back(request: ReplacementRequest, before: str, running: Collection[str], *, kind: str) -> str:
    """What stood there; where only the digest behind the same tag is new, that tag stands for the new image by now, and
    the old one has to be named by its own. `running` are the digests that the workload runs by.

    Raises:
        RefusedError: the old image has no name of its own any more.
    """
    if digest_in(before) or Reference.parse(before) != request.tag:
        return before
    if len(running) > 1:
        raise RefusedError(
            f"{request.key} runs {len(running)} different images, all called {before}, so there is no one way back: "
            "restart its rollout first"
        )
    if not running and kind == CRON_JOB:
        raise RefusedError(
            f"{request.key} keeps no job that tells which image {before} was, so there is no one way back: run it once "
            f"and keep that job (successfulJobsHistoryLimit), or name the image by its digest"
        )
    return pinned(before, request.tag, next(iter(running))) if running else before
