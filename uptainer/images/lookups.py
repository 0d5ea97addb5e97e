"""The fleet's lookup: each distinct reference is asked for once, and each container gets its answer with a reason."""

import asyncio
from collections.abc import Sequence

from uptainer.core.enums import CheckResult
from uptainer.images.asking import Asker, Patience
from uptainer.images.queries import Lookup, Query, Remembered
from uptainer.images.registry import RegistryClient
from uptainer.images.search import Search


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
    return _without_asking(query) or await Search(query, asker, remembered).run()


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
