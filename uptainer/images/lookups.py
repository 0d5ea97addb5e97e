"""The fleet's lookup: each distinct reference is asked for once, and each container gets its answer with a reason."""

import asyncio
import logging
from collections.abc import Sequence

from uptainer.core.enums import CheckResult
from uptainer.images.asking import Asker, Patience
from uptainer.images.queries import Lookup, Query, Remembered
from uptainer.images.registry import RegistryClient
from uptainer.images.search import Search

logger = logging.getLogger(__name__)


async def look_up(
    queries: Sequence[Query],
    client: RegistryClient,
    *,
    patience: Patience | None = None,
    remembered: Remembered | None = None,
) -> tuple[Lookup, ...]:
    """Answer all queries, in their order. What a registry fails to say makes its own lookups UNKNOWN, and no other."""
    asker = Asker(client, patience or Patience())
    distinct = tuple(dict.fromkeys(queries))
    try:
        found = await asyncio.gather(*(_answer(query, asker, remembered or {}) for query in distinct))
    finally:
        await asker.aclose()
    answers = dict(zip(distinct, found, strict=True))
    return tuple(answers[query] for query in queries)


async def _answer(query: Query, asker: Asker, remembered: Remembered) -> Lookup:
    """Registries and whoever pushes to them write what is read here: what none of us foresaw in it is of one lookup."""
    if answer := _without_asking(query):
        return answer
    try:
        return await Search(query, asker, remembered).run()
    except Exception as error:
        logger.exception("%s could not be looked up", query.reference)
        reason = (
            f"what its registry says of it cannot be read ({type(error).__name__}: a fault of Uptainer's own)"
        )
        return Lookup(query.reference, CheckResult.UNKNOWN, reason)


def _without_asking(query: Query) -> Lookup | None:
    reference = query.reference
    if not query.digests:
        reason = "the image was built or loaded on its host: no registry has given it a digest"
        return Lookup(reference, CheckResult.LOCAL_ONLY, reason)
    if reference.digest and (reference.tag is None or not query.policy.follow_pinned):
        return Lookup(
            reference, CheckResult.PINNED, f"pinned to {reference.digest}: nothing newer is looked for"
        )
    return None
