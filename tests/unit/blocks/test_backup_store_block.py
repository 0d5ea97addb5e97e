import sys
from typing import Any

import pytest
from prefect.types import SecretDict
from pydantic import SecretStr, ValidationError
from pyrage import x25519

from blocks import BackupStore
from uptainer.backups.local import LocalFiles
from uptainer.backups.remote import RemoteFiles
from uptainer.core.errors import UnsupportedError

KEY = x25519.Identity.generate()


def test_a_directory_is_kept_as_carefully_as_our_own() -> None:
    store = BackupStore(url="file:///mnt/nas/backups").open("nas")
    assert isinstance(store.files, LocalFiles)
    assert store.new("h", "w", "b").place == "/mnt/nas/backups/h/w/b"
    assert (store.block, store.seal) == ("nas", None)


def test_a_bucket_is_opened_with_its_options_and_known_by_its_url() -> None:
    options = SecretDict({"key": "k", "secret": "s", "endpoint_url": "http://127.0.0.1:1"})
    store = BackupStore(url="s3://bucket/prefix/", options=options, part_mib=5).open("offsite")
    assert isinstance(store.files, RemoteFiles)
    assert store.new("h", "../w", "b").place == "s3://bucket/prefix/h/_w/b"
    assert store.files.part_size == 5 << 20
    assert "secret" not in repr(store)


@pytest.mark.parametrize(
    ("fields", "opens"),
    [
        ({"recipients": [f" {KEY.to_public()} "]}, False),
        ({"recipients": [str(KEY.to_public())], "identity": SecretStr(f"{KEY}\n")}, True),
        ({"identity": SecretStr(str(KEY))}, True),
        ({"passphrase": SecretStr("correct horse")}, True),
    ],
    ids=["public key", "both", "private key", "passphrase"],
)
def test_what_is_given_decides_who_can_open_it(fields: dict[str, Any], opens: bool) -> None:
    seal = BackupStore(url="/srv/backups", **fields).open("nas").seal
    assert seal is not None
    assert seal.opens is opens


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"url": "backups"}, "must begin with /"),
        ({"url": "s3://"}, "names no bucket or host"),
        ({"url": "s4://bucket"}, "is no backup store"),
        ({"url": "https://example.org/x"}, "is no backup store"),
        ({"url": "memory://x"}, "is no backup store"),
        ({"url": "simplecache::s3://b"}, "is no backup store"),
        ({"url": "sftp://me:hunter2@nas/x"}, "without user, password"),
        ({"url": "s3://b/p?secret=hunter2"}, "without user, password"),
        ({"url": "/srv", "recipients": ["age1x"]}, "is not a public key of age"),
        ({"url": "/srv", "identity": "hunter2"}, "they begin with AGE-SECRET-KEY-1"),
        ({"url": "/srv", "passphrase": "hunter2", "identity": str(KEY)}, "and not both"),
        ({"url": "/srv", "part_mib": 4}, "greater than or equal to 5"),
    ],
)
def test_what_is_no_store_is_refused_with_what_to_write(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says) as refused:
        BackupStore(**fields)
    told = refused.value.errors(include_input=False, include_context=False)
    assert "hunter2" not in str(told)


def test_a_store_whose_library_is_not_installed_says_what_to_install() -> None:
    with pytest.raises(UnsupportedError, match=r"backups to gs:// need a library.*gcsfs"):
        BackupStore(url="gs://bucket/x").open("offsite")


def test_the_library_for_s3_is_an_extra_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(UnsupportedError, match="--extra s3`, then start"):
        BackupStore(url="s3://bucket/x").open("offsite")
