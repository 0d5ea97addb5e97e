import io
import tarfile
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptainer.core.errors import TemporaryError
from uptainer.runtimes.engine.tars import placed_in, whole


def tar_of(*entries: tarfile.TarInfo, content: bytes = b"") -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for each in entries:
            each.size = len(content) if each.isreg() else 0
            tar.addfile(each, io.BytesIO(content) if each.isreg() else None)
    return raw.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, **more: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    for field, value in more.items():
        setattr(made, field, value)
    return made


def placed(tar: bytes, *, is_folder: bool = True, piece: int = 100) -> list[tarfile.TarInfo]:
    pieces = (tar[start : start + piece] for start in range(0, len(tar), piece))
    result = b"".join(placed_in("u/data", pieces, is_folder=is_folder))
    with tarfile.open(fileobj=io.BytesIO(result)) as opened:
        return opened.getmembers()


def test_a_plain_file_of_the_folders_name_comes_first_and_then_the_folder() -> None:
    root = entry("./", tarfile.DIRTYPE, mode=0o1770, uid=5, gid=6)
    file, folder, inner = placed(tar_of(root, entry("./a/b", uid=7), content=b"xyz"))
    assert (file.name, file.isreg()) == ("u/data", True)
    assert (folder.name, folder.isdir(), folder.mode, folder.uid) == ("u/data", True, 0o1770, 5)
    assert (inner.name, inner.uid, inner.size) == ("u/data/a/b", 7, 3)


def test_a_tar_without_an_entry_for_its_root_gets_one() -> None:
    assert [each.name for each in placed(tar_of(entry("a")))] == ["u/data", "u/data", "u/data/a"]


def test_hard_links_move_along_and_symbolic_links_stay_as_they_are() -> None:
    hard = entry("./h", tarfile.LNKTYPE, linkname="./a")
    soft = entry("./s", tarfile.SYMTYPE, linkname="../../x")
    members = placed(tar_of(entry("./", tarfile.DIRTYPE), entry("./a"), hard, soft))
    assert [each.linkname for each in members[-2:]] == ["u/data/a", "../../x"]


def test_a_folder_hands_nothing_on_to_what_was_in_it_before() -> None:
    name = "SCHILY.xattr.system.posix_acl_default"
    root, inner = (entry(each, tarfile.DIRTYPE, pax_headers={name: "x"}) for each in ("./", "./a"))
    members = placed(tar_of(root, inner, entry("./a/b"), entry("./ab")))
    assert [(each.name, name in each.pax_headers) for each in members[1:]] == [
        ("u/data", False),
        ("u/data/a", False),
        ("u/data/a/b", False),
        ("u/data/a", True),
        ("u/data/ab", False),
        ("u/data", True),
    ]


@pytest.mark.parametrize("left", [100, 512, 700, 1500])
def test_an_archive_that_breaks_off_is_noticed_and_a_whole_one_passes_as_it_is(left: int) -> None:
    tar = tar_of(entry("a"), entry("b"), content=bytes(1000))
    assert b"".join(whole(iter([tar[:300], tar[300:]]), "/data")) == tar
    with pytest.raises(TemporaryError, match="/data changed while it was read"):
        list(whole(iter([tar[:left]]), "/data"))


def test_a_single_file_takes_the_place_of_the_file() -> None:
    (only,) = placed(tar_of(entry("settings.conf"), content=b"x"), is_folder=False)
    assert (only.name, only.size) == ("u/data", 1)


def test_long_names_and_extended_attributes_survive() -> None:
    long = "d/" * 120 + "name"
    attribute = {"SCHILY.xattr.security.capability": "\x01\x02"}
    members = placed(tar_of(entry("./", tarfile.DIRTYPE), entry(long, pax_headers=attribute)))
    assert members[-1].name == f"u/data/{long}"
    assert members[-1].pax_headers["SCHILY.xattr.security.capability"] == "\x01\x02"


@given(content=st.binary(max_size=3000), piece=st.integers(1, 5000))
def test_content_passes_through_whatever_the_pieces(content: bytes, piece: int) -> None:
    tar = tar_of(entry("./", tarfile.DIRTYPE), entry("./a"), content=content)

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(tar), piece):
            yield tar[start : start + piece]

    result = b"".join(placed_in("u/data", pieces(), is_folder=True))
    with tarfile.open(fileobj=io.BytesIO(result)) as opened:
        file = opened.extractfile("u/data/a")
        assert file
        assert file.read() == content
