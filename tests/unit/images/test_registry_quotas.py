from datetime import UTC, datetime, timedelta

import httpx
import pytest

from uptainer.core.budgets import PULL, REQUEST, Cost, Quota
from uptainer.core.enums import QuotaUnit
from uptainer.images.metering import cost_of
from uptainer.images.quotas import read_quota

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
EPOCH = int((NOW + timedelta(minutes=5)).timestamp())
PULLS, REQUESTS = QuotaUnit.PULL, QuotaUnit.REQUEST


def after(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("headers", "quota"),
    [
        (
            {
                "ratelimit-limit": "100;w=21600",
                "ratelimit-remaining": "76;w=21600",
                "docker-ratelimit-source": "192.0.2.1",
            },
            Quota(PULLS, 76, 100, after(21600), "192.0.2.1", NOW),
        ),
        ({"RateLimit-Remaining": "0;w=60"}, Quota(PULLS, 0, None, after(60), None, NOW)),
        (
            {"RateLimit-Limit": "600", "RateLimit-Remaining": "599", "RateLimit-Reset": str(EPOCH)},
            Quota(REQUESTS, 599, 600, after(300), None, NOW),
        ),
        (
            {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "58", "X-RateLimit-Reset": "30"},
            Quota(REQUESTS, 58, 60, after(30), None, NOW),
        ),
        ({"X-RateLimit-Remaining": "58"}, Quota(REQUESTS, 58, None, None, None, NOW)),
        ({"ratelimit-limit": "100;w=21600"}, None),
        ({"ratelimit-remaining": "many"}, None),
        ({"ratelimit-remaining": "-1"}, None),
        ({"ratelimit-remaining": "9" * 30}, None),
        ({"ratelimit-remaining": "7;w=" + "9" * 30}, Quota(REQUESTS, 7, None, None, None, NOW)),
        ({"ratelimit-remaining": "7", "ratelimit-reset": "soon"}, Quota(REQUESTS, 7, None, None, None, NOW)),
        (
            {"ratelimit-remaining": "7;w=60", "docker-ratelimit-source": "<b>x</b>"},
            Quota(PULLS, 7, None, after(60), None, NOW),
        ),
        ({}, None),
    ],
)
def test_a_quota_is_read_from_the_headers_that_registries_send(
    headers: dict[str, str], quota: Quota | None
) -> None:
    assert read_quota(httpx.Headers(headers), NOW) == quota


@pytest.mark.parametrize(
    ("method", "path", "cost"),
    [
        ("GET", "/v2/library/nginx/manifests/latest", PULL),
        ("HEAD", "/v2/library/nginx/manifests/latest", REQUEST),
        ("GET", "/v2/library/nginx/tags/list?n=1000", REQUEST),
        ("GET", "/v2/library/nginx/blobs/sha256:0", REQUEST),
    ],
)
def test_only_reading_a_manifest_is_a_pull(method: str, path: str, cost: Cost) -> None:
    assert cost_of(method, path) == cost
