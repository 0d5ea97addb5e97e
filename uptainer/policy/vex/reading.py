"""From the bytes of a VEX document to its statements, whichever form it has."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from typing import Any

from pydantic import ValidationError

from uptainer.core.enums import VexFormat
from uptainer.core.errors import InvalidInputError
from uptainer.policy.vex.csaf import Csaf
from uptainer.policy.vex.cyclonedx import CycloneDx
from uptainer.policy.vex.editions import Edition
from uptainer.policy.vex.measure import Measure
from uptainer.policy.vex.openvex import OpenVex
from uptainer.policy.vex.products import NO_PRODUCT
from uptainer.policy.vex.statements import Document, Statement, VexStatus

MAX_BYTES = 10 * 1024 * 1024
MAX_PARTS = 300_000
"""Objects of its JSON, which take a hundred times their bytes in memory."""
_MODELS: Mapping[VexFormat, type[OpenVex | CycloneDx | Csaf]] = {
    VexFormat.OPENVEX: OpenVex,
    VexFormat.CYCLONEDX: CycloneDx,
    VexFormat.CSAF: Csaf,
}


def read_document(name: str, content: str) -> Document:
    """Read it whole; `name` is what policies call it by.

    Raises:
        InvalidInputError: it is too large, states too much, or is none of the three forms; the message says what is
            wrong where.
    """
    raw = content.encode()
    if len(raw) > MAX_BYTES:
        raise InvalidInputError(
            f"{name} has {len(raw)} bytes, more than the {MAX_BYTES} that a VEX document may have"
        )
    body = _parse(name, content)
    form, measure = _form_of(name, body), Measure()
    edition, statements = _read(name, form, body, measure)
    unusable = {each.number: why for each in statements if (why := _why_unusable(each))}
    sha256 = hashlib.sha256(raw).hexdigest()
    return Document(name, form, sha256, statements, unusable, edition=edition, size=measure.size)


def _read(
    name: str, form: VexFormat, body: Mapping[str, Any], measure: Measure
) -> tuple[Edition, tuple[Statement, ...]]:
    try:
        model = _MODELS[form].model_validate(body)
        return model.edition, tuple(_counted(measure, each) for each in model.read(measure))
    except InvalidInputError as error:
        raise InvalidInputError(f"{name}: {error}") from error
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(each) for each in fault["loc"])
        raise InvalidInputError(f"{name} is no {form} document: {where}: {fault['msg']}") from error


def _parse(name: str, content: str) -> Mapping[str, Any]:
    parts = Measure(MAX_PARTS)

    def count(part: dict[str, Any]) -> dict[str, Any]:
        parts.take(1)
        return part

    try:
        body = json.loads(content, object_hook=count)
    except InvalidInputError as error:
        raise InvalidInputError(f"{name} has more than the {MAX_PARTS} parts that are read") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{name} is not JSON, which a VEX document is here: {error}") from error
    if not isinstance(body, dict):
        raise InvalidInputError(f"{name} is JSON, and no VEX document: it has no fields")
    return body


def _form_of(name: str, body: Mapping[str, Any]) -> VexFormat:
    about = body.get("document")
    category = about.get("category") if isinstance(about, dict) else None
    if str(body.get("@context", "")).startswith("https://openvex.dev/ns"):
        return VexFormat.OPENVEX
    if body.get("bomFormat") == "CycloneDX":
        return VexFormat.CYCLONEDX
    if category == "csaf_vex":
        return VexFormat.CSAF
    said = f" (its category is {category!r}, and only csaf_vex states who is affected)" if category else ""
    raise InvalidInputError(f"{name} is neither OpenVEX, nor CycloneDX, nor CSAF with the VEX profile{said}")


def _counted(measure: Measure, statement: Statement) -> Statement:
    """A time without a zone is UTC, so that all can be compared."""
    measure.take(1 + len(statement.names))
    at = statement.at
    return statement if at.tzinfo else replace(statement, at=at.replace(tzinfo=UTC))


def _why_unusable(statement: Statement) -> str:
    if not statement.products:
        return NO_PRODUCT
    if statement.status is VexStatus.NOT_AFFECTED and not statement.excuses:
        return "it says not_affected without a justification"
    return ""
