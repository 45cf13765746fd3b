from __future__ import annotations

import csv
import io
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from photograft.config.data import DataConfig
from photograft.contract import Box, make_contract
from photograft.data.edits import Edits, append_edit, read_edits
from photograft.data.files import FolderFiles, open_files
from photograft.data.folders import list_files, list_photos
from photograft.data.hashing import hash_bytes
from photograft.data.images import decode
from photograft.data.listing import Found
from photograft.data.pool import DecodePool
from photograft.data.scan import Scan, Scanned, check_bad_fraction, check_boxes, decoder_key, scan
from photograft.errors import DataError
from photograft.values import VERDICTS, Annotation, FileStatus, Manifest, Photo, Rect

CONTRACT = make_contract(64)
Look = Callable[..., list[Scanned]]
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")


class DictCache:
    """A cache in memory, for one test."""

    def __init__(self) -> None:
        self.files: dict[tuple[Path, int, int], str] = {}
        self.scans: dict[tuple[str, str], dict[str, Any]] = {}

    def find_file(self, path: Path, status: FileStatus) -> str | None:
        return self.files.get((path, status.size_bytes, status.mtime_ns))

    def remember_file(self, path: Path, status: FileStatus, sha256: str) -> None:
        self.files[path, status.size_bytes, status.mtime_ns] = sha256

    def find_scan(self, sha256: str, decoder: str) -> dict[str, Any] | None:
        return self.scans.get((sha256, decoder))

    def remember_scan(self, sha256: str, decoder: str, entry: dict[str, Any]) -> None:
        self.scans[sha256, decoder] = entry


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool(CONTRACT, workers=2) as pool:
        yield pool


@pytest.fixture
def look(pool: DecodePool) -> Callable[..., list[Scanned]]:
    def look(
        root: Path,
        files: tuple[Found, ...] | None = None,
        cache: DictCache | None = None,
        needs_pixels: Callable[[str], bool] = lambda _: True,
        edits: Edits | None = None,
        **settings: Any,
    ) -> list[Scanned]:
        config = DataConfig(**settings)
        files = list_all(root, config) if files is None else files
        setting = Scan(FolderFiles(root), config, CONTRACT, cache, edits)
        return list(scan(files, setting, pool, needs_pixels=needs_pixels))

    return look


def list_all(root: Path, config: DataConfig) -> tuple[Found, ...]:
    with open_files(root) as files:
        return list_files(files, config).files


def jpeg(seed: int) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, size=(6, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((80, 60)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_a_scan_gives_verdict_hashes_and_pixels_in_order(photo_folder: Path, pool: DecodePool) -> None:
    with open_files(photo_folder) as files:
        listing = list_photos(files, DataConfig())
    setting = Scan(FolderFiles(listing.root), DataConfig(), CONTRACT)
    scanned = list(scan(listing.files, setting, pool, needs_pixels=lambda _: True))
    assert [s.photo.path for s in scanned] == [f.path for f in listing.files]
    for one, found in zip(scanned, listing.files, strict=True):
        data = (photo_folder / found.path).read_bytes()
        expected = decode(data, CONTRACT)
        assert one.photo.verdict == "ok"
        assert one.photo.label == found.label
        assert one.photo.sha256 == hash_bytes(data)
        assert one.photo.pixel_sha256 == expected.pixel_sha256
        assert one.photo.size_bytes == len(data)
        assert one.pixels is not None
        assert (one.pixels == expected.pixels).all()


def test_a_second_scan_opens_no_file(
    tmp_path: Path, look: Callable[..., list[Scanned]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for k in range(4):
        (tmp_path / f"{k}.jpg").write_bytes(jpeg(k % 3))  # two paths share their bytes
    (tmp_path / "bad.jpg").write_bytes(b"no photo")
    cache = DictCache()
    first = look(tmp_path, cache=cache)
    assert [s.pixels is not None for s in first] == [True] * 4 + [False]
    assert len(cache.scans) == 4

    files = list_all(tmp_path, DataConfig())
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("a file was opened"))
    second = look(tmp_path, files, cache=cache, needs_pixels=lambda _: False)
    assert [s.photo for s in second] == [s.photo for s in first]
    assert all(s.pixels is None for s in second)


def test_pixels_come_for_those_that_need_them_and_changed_files_are_read_again(
    tmp_path: Path, look: Callable[..., list[Scanned]]
) -> None:
    for k in range(3):
        (tmp_path / f"{k}.jpg").write_bytes(jpeg(k))
    cache = DictCache()
    look(tmp_path, cache=cache, needs_pixels=lambda _: False)
    wanted = hash_bytes(jpeg(1))
    again = look(tmp_path, cache=cache, needs_pixels=lambda sha256: sha256 == wanted)
    assert [s.pixels is not None for s in again] == [False, True, False]

    (tmp_path / "2.jpg").write_bytes(jpeg(7))
    os.utime(tmp_path / "2.jpg", ns=(1, 1))
    changed = look(tmp_path, cache=cache, needs_pixels=lambda _: False)
    assert changed[2].photo.sha256 == hash_bytes(jpeg(7))
    assert changed[2].photo.perceptual_hash != again[2].photo.perceptual_hash


def test_the_decoder_key_follows_what_the_entry_depends_on() -> None:
    keys = {decoder_key(make_contract(px)) for px in (64, 224)}
    keys |= {decoder_key(make_contract(64, max_pixels=10_000)), decoder_key(make_contract(64, formats=("JPEG",)))}
    assert len(keys) == 4
    assert decoder_key(make_contract(64)) in keys


@posix
def test_special_files_get_a_verdict_without_being_opened(
    tmp_path: Path, look: Callable[..., list[Scanned]], monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "good.jpg").write_bytes(jpeg(0))
    (tmp_path / "empty.jpg").touch()
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # the path of a socket must be short
        server.bind("socket.jpg")
        scanned = look(tmp_path, cache=DictCache())
    found = {s.photo.path: (s.photo.verdict, s.photo.reason) for s in scanned}
    assert {path: verdict for path, (verdict, _) in found.items()} == {
        "fifo.jpg": "unreadable",
        "gone.jpg": "unreadable",
        "loop.jpg": "unreadable",
        "zero.jpg": "unreadable",
        "good.jpg": "ok",
        "empty.jpg": "empty",
        "socket.jpg": "unreadable",
    }
    assert "named pipe" in found["fifo.jpg"][1]
    assert "device" in found["zero.jpg"][1]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="this user may read everything")
def test_a_file_without_read_permission_is_unreadable(tmp_path: Path, look: Callable[..., list[Scanned]]) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(0))
    (tmp_path / "a.jpg").chmod(0)
    cache = DictCache()
    (scanned,) = look(tmp_path, cache=cache)
    assert scanned.photo.verdict == "unreadable"
    assert cache.scans == {}


def test_a_file_of_eight_gigabytes_is_refused_without_being_read(
    tmp_path: Path, look: Callable[..., list[Scanned]]
) -> None:
    with (tmp_path / "huge.jpg").open("wb") as file:
        try:
            file.truncate(8 * 10**9)  # sparse: takes no room
        except OSError:
            pytest.skip("the file system has no sparse files")
    (scanned,) = look(tmp_path)
    assert scanned.photo.verdict == "too_large_file"
    assert "data.max_file_mb" in scanned.photo.reason


def test_a_vanished_file_is_unreadable(tmp_path: Path, look: Callable[..., list[Scanned]]) -> None:
    (scanned,) = look(tmp_path, (Found("gone.jpg", "rose", "train"),))
    assert (scanned.photo.verdict, scanned.photo.label, scanned.photo.part) == ("unreadable", "rose", "train")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux allows such names")
def test_odd_names_are_read(tmp_path: Path, look: Callable[..., list[Scanned]]) -> None:
    for name in (b"\xb0\xa1.jpg", b"line\nbreak.jpg", "사진 (1).jpg".encode(), b"-rf.jpg"):
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:
            file.write(jpeg(0))
    assert [s.photo.verdict for s in look(tmp_path)] == ["ok"] * 4


def test_the_photos_are_not_touched(tmp_path: Path, look: Callable[..., list[Scanned]]) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(0))
    (tmp_path / "b.jpg").write_bytes(b"broken")
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()}
    look(tmp_path, cache=DictCache())
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize(("n", "n_bad", "stops"), [(10, 3, False), (10, 4, True), (1000, 10, False), (1000, 11, True)])
def test_too_many_bad_files_stop_the_run(n: int, n_bad: int, stops: bool) -> None:
    photos = [Photo(f"{k}.jpg", verdict="corrupt", reason="damaged") for k in range(n_bad)]
    photos += [Photo(f"ok{k}.jpg") for k in range(n - n_bad)]
    if not stops:
        check_bad_fraction(photos, max_bad_fraction=0.01)
        return
    with pytest.raises(DataError) as caught:
        check_bad_fraction(photos, max_bad_fraction=0.01)
    message = str(caught.value)
    assert f"{n_bad} of {n} files" in message
    assert "0.jpg: corrupt, damaged" in message
    assert "data.max_bad_fraction" in message
    assert ("and 1 more" in message) == (n_bad == 11)
    assert caught.value.exit_code == 3


def test_damaged_files_that_an_edit_leaves_out_do_not_stop_a_run() -> None:
    left_out = [Photo(f"{i}.jpg", verdict="corrupt", excluded="edits.csv:2") for i in range(9)]
    check_bad_fraction(left_out, max_bad_fraction=0.0)
    assert Manifest(Path(), tuple(left_out)).rejected == ()


def test_a_box_is_cut_out_and_part_of_the_cache_key(tmp_path: Path) -> None:
    picture = Image.new("RGB", (200, 100), "red")
    picture.paste("blue", (100, 0, 200, 100))
    picture.save(tmp_path / "a.png")
    left, right = (Annotation((Rect(x, 0, x + 100, 100),), source="boxes.csv:2") for x in (0, 100))
    rows = [Found("a.png", "a", object=1, annotation=left), Found("a.png", "b", object=2, annotation=right)]
    contract, cache = make_contract(64, box=Box(source="csv", choice="each")), DictCache()
    setting = Scan(FolderFiles(tmp_path), DataConfig(), contract, cache)
    with DecodePool(contract, workers=1) as pool:
        first = list(scan(rows, setting, pool, needs_pixels=lambda _: True))
        again = list(scan(rows, setting, pool, needs_pixels=lambda _: False))
        moved = Annotation((Rect(50, 0, 150, 100),))
        (third,) = scan([Found("a.png", "a", annotation=moved)], setting, pool, needs_pixels=lambda _: True)
    pixels = [item.pixels for item in first]
    assert pixels[0] is not None and pixels[1] is not None
    assert (pixels[0] == (255, 0, 0)).all() and (pixels[1] == (0, 0, 255)).all()
    assert [item.photo for item in again] == [item.photo for item in first]
    assert [item.photo.box for item in first] == [(0, 0, 100, 100), (100, 0, 200, 100)]
    assert third.photo.box == (50, 0, 150, 100) and third.pixels is not None
    assert len({item.photo.content for item in [*first, third]}) == 3
    assert {item.photo.name for item in first} == {"a.png#1", "a.png#2"}


def test_a_problem_with_a_box_names_the_line_that_the_annotation_stands_on_now(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(0))
    contract, cache = make_contract(64, box=Box(source="csv")), DictCache()
    setting = Scan(FolderFiles(tmp_path), DataConfig(), contract, cache)
    with DecodePool(contract, workers=1) as pool:
        for source in ("boxes.csv:7", "boxes.csv:7", "boxes.csv:9"):
            outside = Annotation((Rect(900, 900, 990, 990),), source=source)
            (one,) = scan([Found("a.jpg", "a", annotation=outside)], setting, pool, needs_pixels=lambda _: False)
            assert one.photo.box is None and one.photo.box_problem.startswith(f"{source}: no box lies inside")
    assert len(cache.scans) == 1


def test_too_many_boxes_that_cannot_be_used_stop(tmp_path: Path) -> None:
    photos = [Photo(f"{n}.jpg", "a", box_problem="boxes.csv:7: there is no box") for n in range(4)]
    check_boxes(photos[:3], max_bad_fraction=0.01)
    with pytest.raises(DataError, match=r"4 of 4 photos have a box.*(?s:.*)0\.jpg: boxes\.csv:7"):
        check_boxes(photos, max_bad_fraction=0.01)


def test_edits_follow_the_content_of_a_file(photo_folder: Path, look: Look, tmp_path: Path) -> None:
    copied = tmp_path / "moved" / "elsewhere"
    shutil.copytree(photo_folder, copied)
    first, second, third, *_ = list_all(copied, DataConfig())
    journal = tmp_path / "edits.csv"
    for found, action, value in ((first, "relabel", "새 이름"), (second, "exclude", ""), (third, "exclude", "")):
        sha256 = hash_bytes((photo_folder / found.path).read_bytes())
        append_edit(journal, action, sha256, path=found.path, value=value)
    append_edit(journal, "include", hash_bytes((copied / third.path).read_bytes()))
    for cache in (None, DictCache()):
        for _ in range(2):
            a, b, c, d, *_ = look(copied, cache=cache, edits=read_edits(journal))
            assert a.photo.label == "새 이름" and a.photo.edited and a.pixels is not None
            assert b.photo.excluded and b.pixels is None
            assert not c.photo.excluded and not d.photo.edited


def test_every_file_of_the_hostile_corpus_gets_the_verdict_of_its_manifest(shared_data: Path) -> None:
    root = shared_data / "badimages"
    formats = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
    config, contract = DataConfig(formats=formats), make_contract(64, formats=formats)
    with DecodePool(contract, workers=2, timeout_s=1.5) as pool:
        setting = Scan(FolderFiles(root), config, contract)
        scanned = scan(list_all(root, config), setting, pool, needs_pixels=lambda _: True)
        found = {s.photo.path: s for s in scanned}
    with (root / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    wrong = [problem for row in rows if (problem := _disagrees(row, found.pop(row["file"], None)))]
    assert wrong == []
    assert found == {}


def _disagrees(row: dict[str, str], scanned: Scanned | None) -> str:
    expect, reason = row["expect"], row["reason"]
    if expect == "skip" or scanned is None:
        return "" if (expect == "skip") == (scanned is None) else f"{row['file']}: {expect}"
    photo = scanned.photo
    reasons = {"not_an_image_or_unsupported": {"not_an_image", "unsupported_format"}}.get(reason, {reason})
    if "dos" in row["category"]:
        reasons |= {"too_many_pixels"}
    allowed = {
        "ok": {"ok"},
        "ok_if_heif": {"ok"},
        "reject": reasons,
        "reject_or_slow": reasons,
        "ok_or_reject": {"ok"} | reasons,
        "either": set(VERDICTS),
    }[expect]
    if photo.verdict not in allowed:
        return f"{row['file']}: {photo.verdict} ({photo.reason}) instead of {expect} {reason}"
    if photo.verdict != "ok":
        return "" if photo.reason else f"{row['file']}: no reason"
    if scanned.pixels is None or scanned.pixels.shape != (64, 64, 3):
        return f"{row['file']}: no pixels"
    size = f"{photo.width}x{photo.height}"
    if row["upright_width"] and size != f"{row['upright_width']}x{row['upright_height']}":
        return f"{row['file']}: {size}"
    return ""
