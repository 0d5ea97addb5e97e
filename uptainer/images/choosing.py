"""Which image of an index an engine runs, where that can be said for every engine.

They do not read an index alike. Where two entries suit a platform, one engine takes the first, another the one that is
compressed with zstd; some pass over attestations by their annotation, others by their platform. And programs in Go take
`Manifests` for `manifests`. Who may push an index must gain nothing by that: neither that another image runs than the one
that is signed, nor than the one that was scanned.

Source: `platforms` and `images/image.go` of containerd; `manifest/oci_index.go` of containers/image; Go's encoding/json,
"Unmarshal".
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from uptainer.core.platform import Platform

_READ = frozenset(
    {
        "schemaversion",
        "mediatype",
        "manifests",
        "config",
        "layers",
        "digest",
        "platform",
        "architecture",
        "os",
        "variant",
    }
)
_IMAGES = frozenset(
    {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    }
)
"""An index in an index would have to be chosen from again."""
_VARIANT = re.compile(r"v[0-9]+")
_OTHER_NAMES = {"armel": "arm"}


def is_sole(body: bytes, digest: str, platform: Platform) -> bool:
    """Whether this is what each engine of this platform runs, when it is told to run the index with these bytes."""
    try:
        entries = json.loads(body, object_pairs_hook=_without_doubles)["manifests"]
        return all(
            each["mediaType"] in _IMAGES
            if each["digest"] == digest
            else not _is_rival(each, entries, digest, platform)
            for each in entries
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def _without_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Of names that an engine reads, none may stand twice in an object, in small letters or large ones."""
    read = [folded for name, _ in pairs if (folded := name.casefold()) in _READ]
    if len(read) != len(set(read)):
        raise ValueError("the same name stands twice")
    return dict(pairs)


def _is_rival(
    entry: Mapping[str, Any], entries: Sequence[Mapping[str, Any]], digest: str, platform: Platform
) -> bool:
    """Whether some engine could take this entry instead, whatever its annotations say of it."""
    other = _platform(entry)
    if other is None:
        return True
    if other.os not in {"", platform.os} or other.architecture not in {"", platform.architecture}:
        return False
    own = [_platform(each) for each in entries if each["digest"] == digest]
    return not (platform in own and _are_apart(other.variant, platform.variant))


def _are_apart(one: str, other: str) -> bool:
    """Arm's v6 and v7 are told apart by everybody; an absent variant is not."""
    return one != other and bool(_VARIANT.fullmatch(one) and _VARIANT.fullmatch(other))


def _platform(entry: Mapping[str, Any]) -> Platform | None:
    given = entry.get("platform")
    if not given:
        return None
    found = Platform.of(given.get("os") or "", given.get("architecture") or "", given.get("variant") or "")
    return Platform(found.os, _OTHER_NAMES.get(found.architecture, found.architecture), found.variant)
