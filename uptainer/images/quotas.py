"""What a registry's answer says of its rate limit: what is left, of how much, and until when.

Sources: https://docs.docker.com/docker-hub/usage/pulls/ (`ratelimit-*`, with the window in the value),
https://docs.gitlab.com/security/rate_limits/ and https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
(`[x-]ratelimit-*`, with the time of the reset in a header of its own).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from uptainer.core.budgets import Quota
from uptainer.core.enums import QuotaUnit

_COUNT = re.compile(r"\s*(?P<count>\d{1,9})\s*(?:[;,].*)?", re.ASCII)
_WINDOW = re.compile(r";\s*w\s*=\s*(?P<seconds>\d{1,9})\b", re.ASCII)
_SOURCE = re.compile(r"[\w.:@+-]{1,100}", re.ASCII)
_SECONDS = re.compile(r"\d{1,11}", re.ASCII)
_EPOCH = 1_000_000_000
"""Seconds: what is more is an instant, and what is less a duration."""
_FORMS = ("ratelimit", "x-ratelimit")


def read_quota(headers: Mapping[str, str], now: datetime) -> Quota | None:
    """The quota that these headers (names in any case, as httpx has them) tell of; None where they tell of none.

    With a window in the value it is Docker Hub's form, which counts pulls and slides: what was used now is back after
    the whole window at the latest.
    """
    for form in _FORMS:
        remaining = headers.get(f"{form}-remaining", "")
        left = _COUNT.fullmatch(remaining)
        if left is None:
            continue
        limit = headers.get(f"{form}-limit", "")
        whole = _COUNT.fullmatch(limit)
        window = _WINDOW.search(remaining) or _WINDOW.search(limit)
        resets = now + timedelta(seconds=int(window["seconds"])) if window else None
        source = _SOURCE.fullmatch(headers.get("docker-ratelimit-source", ""))
        return Quota(
            QuotaUnit.PULL if window else QuotaUnit.REQUEST,
            int(left["count"]),
            int(whole["count"]) if whole else None,
            resets or read_instant(headers.get(f"{form}-reset", ""), now),
            source[0] if source else None,
            now,
        )
    return None


def read_instant(value: str, now: datetime) -> datetime | None:
    """Seconds from now, or since 1970, as both are written; None for anything else."""
    if not _SECONDS.fullmatch(value.strip()):
        return None
    seconds = int(value)
    return datetime.fromtimestamp(seconds, UTC) if seconds >= _EPOCH else now + timedelta(seconds=seconds)
