from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from photograft.tracking.cache import Cache, cache_folder
from photograft.values import FileStatus

VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4)
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and names")

WRITER = """
import sys
import numpy as np
from pathlib import Path
from photograft.tracking.cache import Cache
folder, who, n = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with Cache(folder) as cache:
    for i in range(n):
        cache.remember_scan(f"{who}{i}", "decoder", {"verdict": "ok"})
        cache.remember_features("space", [f"{who}{i}"], np.full((1, 2000), i, np.float32))
        if i == 600:
            print("writing", flush=True)
    print(cache.warning, flush=True)
"""


def start_writer(folder: Path, who: str, n: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), who, str(n)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def status_of(path: Path) -> FileStatus:
    status = path.stat()
    return FileStatus(status.st_size, status.st_mtime_ns, status.st_ino)


def old_file(path: Path, content: bytes = b"photo", *, age_s: float = 60) -> FileStatus:
    path.write_bytes(content)
    os.utime(path, (time.time() - age_s,) * 2)
    return status_of(path)


def test_what_was_remembered_is_found_by_the_next_run(tmp_path: Path) -> None:
    status = old_file(tmp_path / "사진 1.jpg")
    with Cache(tmp_path / "cache") as cache:
        cache.remember_file(tmp_path / "사진 1.jpg", status, "a" * 64)
        cache.remember_scan("a" * 64, "decoder", {"verdict": "ok", "width": 3})
        cache.remember_features("space", ["a", "b", "c"], VECTORS)
        assert dict(cache.find_features("space", ["a"]))["a"].tolist() == VECTORS[0].tolist()  # also before the commit
        assert cache.known_photos("space") == {"a", "b", "c"}
    with Cache(tmp_path / "cache") as cache:
        assert cache.warning == ""
        assert cache.find_file(tmp_path / "사진 1.jpg", status) == "a" * 64
        assert cache.find_scan("a" * 64, "decoder") == {"verdict": "ok", "width": 3}
        assert cache.find_scan("a" * 64, "another decoder") is None
        assert cache.known_photos("space") == {"a", "b", "c"}
        assert cache.known_photos("another space") == set()
        found = dict(cache.find_features("space", ["c", "a", "c", "unknown"]))
        assert {k: v.tolist() for k, v in found.items()} == {"a": VECTORS[0].tolist(), "c": VECTORS[2].tolist()}
        sizes = cache.sizes()
        assert (sizes["files"], sizes["scans"], sizes["features"], sizes["network_bytes"]) == (1, 1, 3, 0)
        assert sizes["bytes"] > 0


def test_features_are_found_across_many_chunks(tmp_path: Path) -> None:
    names = [f"{i:04d}" for i in range(1203)]
    with Cache(tmp_path) as cache:
        cache.remember_features("space", names, np.arange(1203, dtype=np.float32)[:, None])
    with Cache(tmp_path) as cache:
        found = dict(cache.find_features("space", names))
    assert {k: float(v[0]) for k, v in found.items()} == {name: i for i, name in enumerate(names)}


@pytest.mark.parametrize("change", ["content", "time", "path"])
def test_a_changed_file_is_not_taken_for_the_old_one(tmp_path: Path, change: str) -> None:
    path = tmp_path / "a.jpg"
    status = old_file(path)
    with Cache(tmp_path / "cache") as cache:
        cache.remember_file(path, status, "hash")
        cache.commit()
        assert cache.find_file(path, status) == "hash"
        if change == "path":
            path = path.rename(tmp_path / "b.jpg")
            status = status_of(path)
        else:
            status = old_file(path, b"other photo" if change == "content" else b"photo", age_s=30)
        assert cache.find_file(path, status) is None


def test_a_file_changed_a_moment_ago_is_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    status = old_file(path, age_s=0.1)
    with Cache(tmp_path / "cache") as cache:
        cache.remember_file(path, status, "hash")
        cache.commit()
        assert cache.find_file(path, status) is None


def test_times_are_not_trusted_where_the_setting_says_so(tmp_path: Path) -> None:
    status = old_file(tmp_path / "a.jpg")
    with Cache(tmp_path / "cache", trust_mtime=False) as cache:
        cache.remember_file(tmp_path / "a.jpg", status, "hash")
        cache.commit()
        assert cache.find_file(tmp_path / "a.jpg", status) is None


@posix
def test_names_that_are_not_utf8_and_inodes_of_64_bits(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    status = FileStatus(7, time.time_ns() - 10**11, 2**64 - 5)
    with Cache(tmp_path / "cache") as cache:
        cache.remember_file(path, status, "hash")
        cache.commit()
        assert cache.find_file(path, status) == "hash"
        assert cache.warning == ""


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    writers = [start_writer(tmp_path, who, 1500) for who in ("a", "b")]
    assert [writer.communicate(timeout=60)[0] for writer in writers] == ["writing\n\n"] * 2
    with Cache(tmp_path) as cache:
        assert cache.known_photos("space") == {f"{who}{i}" for who in ("a", "b") for i in range(1500)}
        assert cache.sizes()["scans"] == 3000


@posix
def test_kill_9_while_writing_leaves_a_usable_cache(tmp_path: Path) -> None:
    writer = start_writer(tmp_path, "a", 10**6)
    assert writer.stdout is not None
    with writer:
        assert writer.stdout.readline() == "writing\n"
        os.kill(writer.pid, signal.SIGKILL)
    with Cache(tmp_path) as cache:
        known = cache.known_photos("space")
        assert cache.warning == "" and len(known) >= 500
        found = dict(cache.find_features("space", sorted(known)))
        assert all((found[name] == float(name[1:])).all() and len(found[name]) == 2000 for name in known)
        cache.remember_features("space", ["new"], VECTORS[:1])
    with Cache(tmp_path) as cache:
        assert "new" in cache.known_photos("space")


@pytest.mark.parametrize("journal", [True, False])
def test_a_damaged_file_is_set_aside(tmp_path: Path, journal: bool) -> None:
    with Cache(tmp_path) as cache:
        cache.remember_features("space", ["a", "b", "c"], VECTORS)
    cache.path.write_bytes(b"not a database at all" * 1000)
    if journal:  # of a process that was killed: it must not be replayed into the new file
        cache.path.with_name(cache.path.name + "-wal").write_bytes(os.urandom(50_000))
    with Cache(tmp_path) as cache:
        assert "damaged" in cache.warning and len(list(tmp_path.glob("*.damaged-*"))) == 1
        assert cache.known_photos("space") == set()
        cache.remember_features("space", ["a"], VECTORS[:1])
    with Cache(tmp_path) as cache:
        assert cache.warning == "" and cache.known_photos("space") == {"a"}


def test_damage_found_while_reading_starts_the_cache_anew(tmp_path: Path) -> None:
    names = [str(i) for i in range(300)]
    with Cache(tmp_path) as cache:
        cache.remember_features("space", names, np.ones((300, 2000), np.float32))
    content = bytearray(cache.path.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)  # header and schema stay whole
    cache.path.write_bytes(content)
    with Cache(tmp_path) as cache:
        assert cache.known_photos("space") == set() and dict(cache.find_features("space", names)) == {}
        assert "damaged" in cache.warning
        cache.remember_features("space", ["a"], VECTORS[:1])
    with Cache(tmp_path) as cache:
        assert cache.warning == "" and cache.known_photos("space") == {"a"}


def test_a_cache_that_cannot_be_written_keeps_features_in_memory(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with Cache(tmp_path / "cache") as cache:
        assert "cannot be used" in cache.warning and "cache.dir" in cache.warning
        cache.remember_features("space", ["a", "b", "c"], VECTORS)
        cache.commit()
        assert {k: v.tolist() for k, v in cache.find_features("space", ["b"])} == {"b": VECTORS[1].tolist()}
    assert (tmp_path / "cache").read_text() == "a file where the folder should be"


def test_a_disk_that_fills_up_costs_the_cache_and_not_the_run(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache.remember_features("space", ["a"], VECTORS[:1])
        cache.commit()
        pages = cache._connection.execute("PRAGMA page_count").fetchone()[0]
        cache._connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own "disk is full"
        big = np.ones((300, 2000), np.float32)
        cache.remember_features("space", [str(i) for i in range(300)], big)
        cache.remember_scan("a", "decoder", {})
        cache.commit()
        assert "could not be written" in cache.warning
        found = dict(cache.find_features("space", ["a", *map(str, range(300))]))
        assert len(found) == 301 and all((found[str(i)] == 1).all() for i in range(300))
    with Cache(tmp_path) as cache:
        assert cache.known_photos("space") == {"a"}


def test_the_size_limit_takes_what_was_used_longest_ago(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        for age, space in enumerate(("new", "old")):
            cache._now = int(time.time()) - age * 10**6
            cache.remember_features(space, [str(i) for i in range(1000)], np.ones((1000, 500), np.float32))
            cache.commit()
        used = cache.sizes()["bytes"]
    with Cache(tmp_path, max_bytes=used * 3 // 4) as cache:
        assert len(cache.known_photos("old")) == 1000
    with Cache(tmp_path) as cache:
        assert len(cache.known_photos("new")) == 1000 and cache.known_photos("old") == set()
        assert cache.sizes()["bytes"] <= used * 3 // 4
        assert cache.path.stat().st_size <= used * 3 // 4  # the space is given back to the disk


def test_use_renews_an_entry(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache._now = int(time.time()) - 10**6
        cache.remember_features("space", [str(i) for i in range(1100)], np.ones((1100, 500), np.float32))
    with Cache(tmp_path) as cache:
        assert len(list(cache.find_features("space", [str(i) for i in range(100)]))) == 100
        used = cache.sizes()["bytes"]
    Cache(tmp_path, max_bytes=used // 2).close()
    with Cache(tmp_path) as cache:
        assert cache.known_photos("space") == {str(i) for i in range(100)}


def test_clear_forgets_everything_and_gives_the_space_back(tmp_path: Path) -> None:
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks" / "x.onnx").write_bytes(b"x")
    with Cache(tmp_path) as cache:
        cache.remember_features("space", [str(i) for i in range(300)], np.ones((300, 2000), np.float32))
        cache.remember_scan("a", "decoder", {})
        cache.commit()
        assert cache.sizes()["bytes"] > 2_000_000 and cache.sizes()["network_bytes"] == 1
        cache.clear()
        sizes = cache.sizes()
        assert (sizes["features"], sizes["scans"], sizes["network_bytes"]) == (0, 0, 0) and sizes["bytes"] < 100_000
    assert sqlite3.connect(cache.path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_setting_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "환경"))
    assert cache_folder() == tmp_path / "환경"
    assert cache_folder(tmp_path / "setting") == tmp_path / "setting"
    monkeypatch.delenv("PHOTOGRAFT_CACHE")
    assert "photograft" in str(cache_folder())
