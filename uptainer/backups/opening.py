"""From a store's URL to what reaches it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec

from uptainer.backups.files import Files
from uptainer.backups.local import LocalFiles
from uptainer.backups.remote import RemoteFiles
from uptainer.core.errors import InvalidInputError, UnsupportedError
from uptainer.core.extras import how_to_install

LOCAL = frozenset({"", "file", "local"})
_EXTRAS = {"s3": "s3", "s3a": "s3"}
"""Schemes whose library comes with an extra of ours."""
_UNFIT = frozenset(
    {"http", "https", "memory", "data", "zip", "tar", "git", "github", "reference", "simplecache"}
)
"""What fsspec reads, and where nothing can be kept."""


def check_url(url: str) -> str:
    """The URL without a slash at its end.

    Raises:
        InvalidInputError: it is none of a store, or it holds a secret; the message does not repeat it then.
    """
    parts = urlsplit(url.strip())
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InvalidInputError(
            "write the URL without user, password or parameters, and give these as options"
        )
    if parts.scheme in LOCAL:
        return str(_directory(url.strip()))
    if "::" in url or parts.scheme in _UNFIT or parts.scheme not in fsspec.available_protocols():
        raise InvalidInputError(
            f"{url!r} is no backup store: write a directory like /srv/backups, or a URL like s3://bucket/prefix"
        )
    if not parts.netloc:
        raise InvalidInputError(
            f"{url!r} names no bucket or host: write it like {parts.scheme}://name/prefix"
        )
    return url.strip().rstrip("/")


def open_files(url: str, options: Mapping[str, Any], *, part_size: int) -> Files:
    """`url` as `check_url` gave it; `options` are those of fsspec's file system for it; `part_size` in bytes.

    Raises:
        UnsupportedError: the library for it is not installed; the message says which.
        InvalidInputError: the options are none of its.
    """
    scheme = urlsplit(url).scheme
    if scheme in LOCAL:
        return LocalFiles(Path(url))
    fixed = {"fixed_upload_size": True} if scheme in _EXTRAS else {}  # some stores want parts of one size
    try:
        system, _ = fsspec.url_to_fs(
            url, **{**fixed, **options}, skip_instance_cache=True, use_listings_cache=False
        )
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        how = how_to_install(extra) if extra else str(error)
        raise UnsupportedError(
            f"backups to {scheme}:// need a library that is not installed: {how}"
        ) from error
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"the options do not fit {scheme}://: {error}") from error
    return RemoteFiles(url, system, part_size)


def _directory(url: str) -> Path:
    path = Path(url.removeprefix("file://").removeprefix("local://"))
    if not path.is_absolute():
        raise InvalidInputError(f"{url!r} is no whole path: it must begin with /")
    return path
