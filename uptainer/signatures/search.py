"""Where a registry keeps an image's signatures, and reading them.

Source: https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md; the OCI distribution specification 1.1,
"Listing Referrers" and "Referrers Tag Schema".
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from uptainer.core.errors import NotFoundError, PermanentError, ProtocolError, TemporaryError
from uptainer.signatures import bundles, simple_signing
from uptainer.signatures.made import Made
from uptainer.signatures.refusals import DoubtError

MOST = 50
"""So many signatures of an image are read: who may push could else keep us reading."""
_TOO_MANY = f"there are more than {MOST} signatures, and no more than that are read"
_PREDICATE = "dev.sigstore.bundle.predicateType"
_Reader = Callable[[bytes, Mapping[str, Any]], Made]
_Readers = Mapping[str, _Reader]
_SIMPLE: dict[str, _Reader] = {simple_signing.LAYER: simple_signing.read_layer}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Shelf(Protocol):
    """One repository of a registry. Its methods raise as a registry client does."""

    async def manifest(self, name: str) -> bytes:
        """By tag or digest; of a digest, the content is what it says. Raises NotFoundError where there is none."""

    async def blob(self, digest: str) -> bytes:
        """By digest, which it is verified against."""

    async def referrers(self, digest: str) -> list[bytes]:
        """The index of what refers to a digest, in its pages. Raises NotFoundError where the registry has no such list."""


@dataclass(slots=True)
class Found:
    """`unread` says of each signature that could not be read what was wrong, `unasked` what was not answered."""

    made: list[Made] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)


async def find_signatures(shelf: Shelf, signed: Mapping[str, bytes]) -> Found:
    """All signatures of these manifests, by digest, in both forms. What a registry does not answer is in `unasked`."""
    found = Found()
    for digest in signed:
        await _collect(found, _tagged(shelf, digest))
        await _collect(found, _referring(shelf, digest, signed))
    return found


async def _collect(found: Found, signatures: AsyncIterator[Made | str]) -> None:
    try:
        async for each in signatures:
            if len(found.made) + len(found.unread) >= MOST:
                found.unread.append(_TOO_MANY)
                return
            if isinstance(each, str):
                found.unread.append(each)
            else:
                found.made.append(each)
    except NotFoundError:
        return
    except (TemporaryError, PermanentError) as error:
        found.unasked.append(str(error))


async def _tagged(shelf: Shelf, digest: str) -> AsyncIterator[Made | str]:
    """What cannot be read is given as the reason: another one may hold."""
    manifest = _object(await shelf.manifest(f"{digest.replace(':', '-')}.sig"))
    async for each in _layers(shelf, manifest, _SIMPLE):
        yield each


async def _layers(shelf: Shelf, manifest: Mapping[str, Any], read: _Readers) -> AsyncIterator[Made | str]:
    """One that is not there, or no registry would give, is a doubt of that one: the ones behind it may hold."""
    for layer in _list(manifest, "layers"):
        reader = read.get(str(layer.get("mediaType")))
        if reader is None:
            continue
        try:
            yield reader(await shelf.blob(_digest(layer)), layer.get("annotations") or {})
        except NotFoundError as error:
            yield f"it is listed, and not there: {error}"
        except (DoubtError, ProtocolError) as error:
            yield str(error)


async def _referring(shelf: Shelf, digest: str, signed: Mapping[str, bytes]) -> AsyncIterator[Made | str]:
    """One that is listed and not there is a doubt of that one: the list may be anybody's."""
    listed = await _referrers(shelf, digest)
    entries = sorted((each for each in listed if _may_sign(str(each.get("artifactType", "")))), key=_rank)
    for entry in entries[:MOST]:
        try:
            async for each in _referrer(shelf, _digest(entry), digest, signed):
                yield each
        except NotFoundError as error:
            yield f"it is listed, and not there: {error}"
        except ProtocolError as error:
            yield str(error)
    if len(entries) > MOST:
        yield _TOO_MANY


def _rank(entry: Mapping[str, Any]) -> int:
    """What is said to be a signature goes first, and what is said to be something else last: an image may have any number
    of attestations. It is no more than an order, for nobody signed it.
    """
    annotations = entry.get("annotations")
    said = annotations.get(_PREDICATE) if isinstance(annotations, dict) else None
    return 1 if said is None else 2 * (said != bundles.SIGNS)


async def _referrer(
    shelf: Shelf, name: str, digest: str, signed: Mapping[str, bytes]
) -> AsyncIterator[Made | str]:
    manifest = _object(await shelf.manifest(name))
    subject = manifest.get("subject")
    if not isinstance(subject, dict) or subject.get("digest") != digest:
        return

    def read(body: bytes, _annotations: Mapping[str, Any]) -> Made:
        return bundles.read_bundle(body, signed)

    async for each in _layers(shelf, manifest, _SIMPLE | dict.fromkeys(bundles.MEDIA_TYPES, read)):
        yield each


async def _referrers(shelf: Shelf, digest: str) -> list[Mapping[str, Any]]:
    """By the registry's own list, else by the tag that stands for it where there is none."""
    try:
        pages = await shelf.referrers(digest)
    except NotFoundError:
        pages = [await shelf.manifest(digest.replace(":", "-"))]
    return [entry for page in pages for entry in _list(_object(page), "manifests")]


def _may_sign(artifact: str) -> bool:
    return artifact in bundles.MEDIA_TYPES or artifact in {
        "",
        "application/vnd.dev.cosign.artifact.sig.v1+json",
    }


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("the registry's list of signatures cannot be read") from error
    if not isinstance(content, dict):
        raise ProtocolError("the registry's list of signatures cannot be read")
    return content


def _list(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = content.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _digest(descriptor: Mapping[str, Any]) -> str:
    found = str(descriptor.get("digest", ""))
    if not _DIGEST.fullmatch(found):
        raise ProtocolError(f"the registry's list of signatures names {found[:80]!r} as a digest")
    return found
