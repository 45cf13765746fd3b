from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from photograft.config.data import DataConfig
from photograft.data import members
from photograft.data.files import open_files
from photograft.data.folders import list_files, list_photos
from photograft.data.listing import Listing
from photograft.data.members import MAX_EXTRA_BYTES
from photograft.errors import DataError, ImageRejected

CONFIG = DataConfig()
PHOTOS = {"rose/a.jpg": b"aaa", "rose/깊이/b c.jpg": b"bbbb", "daisy/c.png": os.urandom(5000)}
TARS = ("tar", "tar.gz", "tar.bz2", "tar.xz")


def make_zip(path: Path, named: Iterable[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in named:
            archive.writestr(name, data)
    return path


def make_tar(path: Path, named: Iterable[tuple[str | tarfile.TarInfo, bytes]]) -> Path:
    compression = {".gz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w")
    with tarfile.open(path, compression) as archive:  # type: ignore[call-overload]
        for name, data in named:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = info.size or len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def make(path: Path, named: Iterable[tuple[str, bytes]]) -> Path:
    return make_zip(path, named) if path.suffix == ".zip" else make_tar(path, named)


def listed(path: Path) -> Listing:
    with open_files(path) as files:
        return list_files(files, CONFIG)


@pytest.mark.parametrize("ending", ["zip", *TARS])
def test_an_archive_is_listed_and_read_like_the_folder_that_was_packed(tmp_path: Path, ending: str) -> None:
    path = make(tmp_path / f"내 사진.{ending}", PHOTOS.items())
    path = path.rename(tmp_path / "named anyhow")  # content decides
    with open_files(path) as files:
        listing = list_photos(files, CONFIG)
        assert [(f.path, f.label) for f in listing.files] == sorted((p, p.partition("/")[0]) for p in PHOTOS)
        assert listing.root == path and listing.notes == ()
        for name in sorted(PHOTOS, key=files.position):
            data, status = files.read(name, max_file_mb=1)
            assert data == PHOTOS[name]
            assert status == files.status(name, max_file_mb=1)
            assert (status.size_bytes, status.mtime_ns) == (len(data), path.stat().st_mtime_ns)
        with pytest.raises(ImageRejected, match="unreadable: it is not in the archive"):
            files.read("rose/none.jpg", max_file_mb=1)
        with pytest.raises(ImageRejected, match="unreadable: it is a folder"):
            files.read("rose", max_file_mb=1)
        with pytest.raises(FileNotFoundError):
            files.entries("tulip")


def test_the_rules_of_what_is_left_out_are_those_of_folders(tmp_path: Path) -> None:
    junk = ("__MACOSX/rose/._a.jpg", ".DS_Store", "rose/Thumbs.db", "rose/notes.txt", "rose/more.zip", "stray.jpg")
    path = make(tmp_path / "a.zip", [*PHOTOS.items(), *((name, b"x") for name in junk)])
    with open_files(path) as files:
        listing = list_photos(files, CONFIG)
    assert [f.path for f in listing.files] == sorted(PHOTOS)
    assert listing.notes == (
        "not read, because they lie beside the class folders: 1 files (stray.jpg)",
        "left out without being read: 1 .txt files, 1 .zip files, 3 hidden or system files and folders",
    )


@pytest.mark.parametrize("top", ["photos", "사진/모음"])
def test_the_one_folder_at_the_top_is_read_as_the_root(tmp_path: Path, top: str) -> None:
    path = make(tmp_path / "a.tar.gz", [(f"./{top}/{name}", data) for name, data in PHOTOS.items()])
    with open_files(path) as files:
        listing = list_photos(files, CONFIG)
    assert listing.classes == ("daisy", "rose")
    assert [f.path for f in listing.files] == sorted(f"{top}/{name}" for name in PHOTOS)


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd.jpg", "../up.jpg", "rose/../../up.jpg", "C:\\x.jpg", "c:/x.jpg", "..\\up.jpg"),
        *("\\\\host\\x.jpg", "d/" * 70 + "x.jpg", "n" * 5000),
    ],
)
@pytest.mark.parametrize("ending", ["zip", "tar"])
def test_names_that_lead_out_are_left_out_and_noted(tmp_path: Path, ending: str, name: str) -> None:
    path = make(tmp_path / f"a.{ending}", [(name, b"evil"), ("rose/a.jpg", b"x")])
    listing = listed(path)
    assert [f.path for f in listing.files] == ["rose/a.jpg"]
    assert "left out of the archive: 1 members whose names lead out" in listing.notes[0]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_never_followed(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("rose/link.jpg")
    info.type, info.linkname = kind, "/etc/passwd"
    listing = listed(make_tar(tmp_path / "a.tar", [(info, b""), ("rose/a.jpg", b"x")]))
    assert [f.path for f in listing.files] == ["rose/a.jpg"]
    assert "1 links and special files (rose/link.jpg)" in listing.notes[0]


def test_links_and_encrypted_members_of_a_zip_are_left_out(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("rose/link.jpg")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    path = make_zip(tmp_path / "a.zip", [(link, b"/etc/passwd"), ("rose/locked.jpg", b"x"), ("rose/a.jpg", b"y")])
    data = bytearray(path.read_bytes())
    place = data.index(b"rose/locked.jpg", data.index(b"PK\1\2")) - 46
    data[place + 8] |= 1
    path.write_bytes(data)
    listing = listed(path)
    assert [f.path for f in listing.files] == ["rose/a.jpg"]
    assert [note.partition(": ")[2] for note in listing.notes] == [
        "1 encrypted members (rose/locked.jpg)",
        "1 links and special files (rose/link.jpg)",
    ]


def test_an_archive_of_nothing_but_encrypted_members_says_so(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", [("rose/a.jpg", b"x")])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    with open_files(path) as files, pytest.raises(DataError, match=r"nothing in it(.|\n)*1 encrypted members"):
        list_photos(files, CONFIG)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("ending", ["zip", "tar"])
def test_a_name_that_comes_twice_is_read_once(tmp_path: Path, ending: str) -> None:
    path = make(tmp_path / f"a.{ending}", [("a.jpg", b"first"), ("a.jpg", b"second"), ("a.jpg/b.jpg", b"inside")])
    listing = listed(path)
    assert [f.path for f in listing.files] == ["a.jpg"]
    assert "1 members inside of what is a file (a.jpg)" in listing.notes[0]
    assert "1 members whose names come twice (a.jpg)" in listing.notes[1]
    with open_files(path) as files:
        assert files.read("a.jpg", max_file_mb=1)[0] == b"first"


def test_a_zip_that_declares_a_bomb_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", bytes(1_000_000))
    data = bytearray((tmp_path / "a.zip").read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 24, 4_000_000_000)
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.zip is refused: its [\d,]+ bytes expand to 4,000,000,000.*unpack it"):
        listed(tmp_path / "a.zip")


def test_a_zip_member_that_expands_beyond_what_it_declares_is_corrupt(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", [("a.jpg", bytes(50_000_000)), ("b.jpg", b"fine")])
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 24, 1000)
    path.write_bytes(data)
    with open_files(path) as files:
        with pytest.raises(ImageRejected, match="corrupt: the archive is damaged here"):
            files.read("a.jpg", max_file_mb=100)
        assert files.read("b.jpg", max_file_mb=100)[0] == b"fine"


def test_members_that_are_empty_or_too_large_are_rejected_unread(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", [("a.jpg", b""), ("b.jpg", bytes(1_000_001))])
    with open_files(path) as files:
        for name, verdict in (("a.jpg", "empty"), ("b.jpg", "too_large_file")):
            with pytest.raises(ImageRejected) as caught:
                files.read(name, max_file_mb=1)
            assert caught.value.verdict == verdict


def test_members_that_share_bytes_are_corrupt(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", [("a.jpg", b"a" * 100), ("b.jpg", b"b" * 100), ("c.jpg", b"c")])
    data = bytearray(path.read_bytes())
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)
    struct.pack_into("<I", data, second + 42, 0)  # the second begins where the first does
    path.write_bytes(data)
    with open_files(path) as files:
        for name in ("a.jpg", "b.jpg"):
            with pytest.raises(ImageRejected, match="corrupt"):
                files.read(name, max_file_mb=1)
        assert files.read("c.jpg", max_file_mb=1)[0] == b"c"


def test_members_of_other_methods_are_not_expanded(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.jpg", bytes(100_000))
    with open_files(tmp_path / "a.zip") as files, pytest.raises(ImageRejected, match="unreadable: it is compressed by"):
        files.read("a.jpg", max_file_mb=1)


def test_a_tar_bomb_is_refused_while_it_is_read(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.tar.gz", "wb", compresslevel=1) as file:
        info = tarfile.TarInfo("a.jpg")
        info.size = 10**13
        file.write(info.tobuf())
        for _ in range(20):
            file.write(bytes(1_000_000))
    with pytest.raises(DataError, match=r"a\.tar\.gz is refused: its [\d,]+ bytes expand to 10,000,000,00"):
        listed(tmp_path / "a.tar.gz")


def test_a_tar_header_that_asks_for_memory_is_damage(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, MAX_EXTRA_BYTES - 10_000
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    with pytest.raises(DataError, match="damaged"):
        listed(tmp_path / "a.tar")


def test_more_members_than_allowed_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "MAX_MEMBERS", 99)
    path = make_zip(tmp_path / "a.zip", [(f"{i}.jpg", b"x") for i in range(100)])
    with pytest.raises(DataError, match="more than 99 members"):
        listed(path)


@pytest.mark.parametrize("ending", ["zip", "tar.gz"])
def test_ten_thousand_members(tmp_path: Path, ending: str) -> None:
    path = make(tmp_path / f"a.{ending}", [(f"{i % 10}/{i}.jpg", b"%d" % i) for i in range(10_000)])
    with open_files(path) as files:
        listing = list_photos(files, CONFIG)
        assert len(listing.files) == 10_000 and len(listing.classes) == 10
        for found in sorted(listing.files, key=lambda f: files.position(f.path)):
            assert files.read(found.path, max_file_mb=1)[0] == found.path[2:-4].encode()


@pytest.mark.parametrize("ending", ["zip", *TARS])
@pytest.mark.parametrize("cut", [0.3, 0.8])
def test_a_cut_off_archive_is_a_data_error(tmp_path: Path, ending: str, cut: float) -> None:
    path = make(tmp_path / f"a.{ending}", [(f"rose/{i}.jpg", os.urandom(3000)) for i in range(20)])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * cut)])
    with pytest.raises(DataError, match="damaged"):
        listed(path)


def test_a_tar_with_a_damaged_header_in_the_middle_is_a_data_error(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tar", [(f"{i}.jpg", b"x") for i in range(5)])
    data = bytearray(path.read_bytes())
    data[2048 + 10] ^= 255
    path.write_bytes(data)
    with pytest.raises(DataError, match="no member begins at byte 2,048"):
        listed(path)


def test_damaged_data_of_one_member_is_a_verdict(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", [("a.jpg", os.urandom(3000)), ("b.jpg", b"fine")])
    data = bytearray(path.read_bytes())
    data[500] ^= 255
    path.write_bytes(data)
    with open_files(path) as files:
        with pytest.raises(ImageRejected, match="corrupt"):
            files.read("a.jpg", max_file_mb=1)
        assert files.read("b.jpg", max_file_mb=1)[0] == b"fine"


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"PK\3\4 no zip", b"\x1f\x8b no gzip", gzip.compress(b"no tar", mtime=0), b"text"]
)
def test_what_is_no_archive_is_a_data_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip"):
        listed(tmp_path / "a.zip")


@pytest.mark.parametrize("encoding", ["cp949", "utf-8"])
def test_korean_names_of_archives_that_do_not_say_their_encoding(tmp_path: Path, encoding: str) -> None:
    name = "강아지/사진 1.jpg"
    raw = name.encode(encoding)
    path = make_zip(tmp_path / "a.zip", [("x" * len(raw), b"x")])
    path.write_bytes(path.read_bytes().replace(b"x" * len(raw), raw))
    assert [f.path for f in listed(path).files] == [name]
    with open_files(path) as files:
        assert files.read(name, max_file_mb=1)[0] == b"x"


def test_other_names_of_old_archives_are_those_of_dos(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", [("caf?.jpg", b"x")])
    path.write_bytes(path.read_bytes().replace(b"caf?", b"caf\x82"))
    assert [f.path for f in listed(path).files] == ["café.jpg"]


def test_korean_names_of_a_tar(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT, encoding="cp949") as archive:
        info = tarfile.TarInfo("강아지.jpg")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    assert [f.path for f in listed(tmp_path / "a.tar").files] == ["강아지.jpg"]
