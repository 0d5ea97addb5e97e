"""What is said of a stored block that does not hold what it should."""

import traceback
from typing import Any

import pytest
from prefect.blocks.core import Block
from pydantic import ValidationError

from blocks import Database, Notifier, WebhookSource, loading
from uptainer.core.errors import InvalidInputError

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (WebhookSource, {"kind": "generic", "secret": SECRET}),
        (Database, {"url": f"mysql://u:{SECRET}@host/name"}),
        (Notifier, {"url": f"bogus://{SECRET}"}),
    ],
)
def test_neither_the_fault_nor_its_traceback_quotes_a_secret(
    kind: type[Block], stored: dict[str, Any]
) -> None:
    """A task's log has the traceback, with every cause."""
    with pytest.raises(InvalidInputError, match="is wrong") as refused:
        loading.read(kind, "mine", stored)
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_a_webhook_source_that_is_refused_is_not_quoted() -> None:
    with pytest.raises(ValidationError) as refused:
        WebhookSource.model_validate({"kind": "generic", "secret": SECRET})
    assert SECRET not in str(refused.value)
