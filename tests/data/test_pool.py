from __future__ import annotations

import gc
import io
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photograft.contract import Box, make_contract
from photograft.data import images
from photograft.data.boxes import Boxed
from photograft.data.pool import DIED, DecodePool
from photograft.data.worker import MEMORY_LIMIT_BYTES
from photograft.errors import ImageRejected, PhotograftError
from photograft.values import Annotation, Rect

CONTRACT = make_contract(64)
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def png(seed: int, width: int = 40, height: int = 30) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, size=(6, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def slow_jpeg(side: int, copies: int) -> bytes:
    """A progressive JPEG whose last scan is repeated, so that it costs much CPU and few bytes."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, size=(64, 64), dtype=np.uint8)
    Image.fromarray(noise).resize((side, side)).save(buffer, "JPEG", progressive=True, quality=10)
    data = buffer.getvalue()
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last_scan * copies + data[-2:]


def worker_pids(parent: int) -> list[int]:
    pids: set[int] = set()
    for thread in Path(f"/proc/{parent}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            pids.update(map(int, (thread / "children").read_text().split()))
    return sorted(p for p in pids if b"photograft.data.worker" in Path(f"/proc/{p}/cmdline").read_bytes())


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool(CONTRACT, workers=2) as pool:
        yield pool


def test_a_worker_gives_what_the_function_gives(pool: DecodePool) -> None:
    for data in (png(0), png(1, 500, 300)):
        here, there = images.decode(data, CONTRACT), pool.decode(data)
        assert (here.pixels == there.pixels).all()
        assert here.pixel_sha256 == there.pixel_sha256
        assert here.perceptual_hash == there.perceptual_hash
        assert (here.width, here.height, here.turn, here.format) == (
            there.width,
            there.height,
            there.turn,
            there.format,
        )
    with pytest.raises(ImageRejected) as caught:
        pool.decode(b"hello")
    assert caught.value.verdict == "not_an_image"


def test_an_annotation_travels_with_its_photo() -> None:
    contract = make_contract(64, box=Box(source="csv", margin=0.1))
    relative = Annotation((Rect(0.1, 0.2, 0.6, 0.9, "개"),), relative=True, source="caf\udce9.csv, line 3")
    none_left = Annotation((Rect(float("nan"), 0, 10, float("inf")),), source="b.csv")
    with DecodePool(contract, workers=1) as pool:
        for annotation in (relative, none_left):
            here, there = images.decode(png(1), contract, annotation), pool.decode(png(1), annotation)
            assert (here.pixels == there.pixels).all()
            assert (here.box, here.box_problem) == (there.box, there.box_problem)
        items = [("boxed", Boxed(png(1), relative)), ("whole", png(1)), ("known", None)]
        boxes = {key: outcome and outcome.box for key, outcome in pool.map_where_needed(items)}  # type: ignore[union-attr]
    assert boxes == {"boxed": images.decode(png(1), contract, relative).box, "whole": None, "known": None}


@linux
def test_a_small_box_in_a_fifty_megapixel_jpeg_fits_the_memory_limit() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, size=(71, 70, 3), dtype=np.uint8))
    for options in ({}, {"progressive": True, "subsampling": 0}):
        buffer = io.BytesIO()
        noise.resize((7000, 7100)).save(buffer, "JPEG", quality=60, **options)
        with DecodePool(make_contract(320, box=Box(source="voc")), workers=1) as pool:
            decoded = pool.decode(buffer.getvalue(), Annotation((Rect(5000, 5000, 5200, 5300),)))
            status = Path(f"/proc/{worker_pids(os.getpid())[-1]}/status").read_text()
        assert decoded.box == (5000, 5000, 5200, 5300)
        assert int(status.split("VmHWM:")[1].split()[0]) * 1024 < MEMORY_LIMIT_BYTES


def test_map_keeps_the_order_and_reads_only_a_little_ahead(pool: DecodePool) -> None:
    n_read = 0

    def items() -> Iterator[tuple[int, bytes]]:
        nonlocal n_read
        for k in range(60):
            n_read += 1
            yield k, b"no image" if k % 7 == 3 else png(k)

    for n_taken, (key, outcome) in enumerate(pool.map(items()), start=1):
        assert key == n_taken - 1
        assert isinstance(outcome, ImageRejected) == (key % 7 == 3)
        assert n_read <= n_taken + 8
    assert n_read == 60


def test_items_without_bytes_keep_their_place(pool: DecodePool) -> None:
    items = [(k, png(k) if k % 3 == 0 else None) for k in range(20)]
    outcomes = list(pool.map_where_needed(items))
    assert [key for key, _ in outcomes] == list(range(20))
    assert [outcome is None for _, outcome in outcomes] == [k % 3 != 0 for k in range(20)]


def test_several_threads_share_a_pool(pool: DecodePool) -> None:
    expected = {k: images.decode(png(k), CONTRACT).pixel_sha256 for k in range(12)}
    wrong: list[int] = []

    def ask() -> None:
        wrong.extend(k for k, digest in expected.items() if pool.decode(png(k)).pixel_sha256 != digest)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@linux
def test_a_killed_worker_is_replaced_and_no_photo_is_lost() -> None:
    with DecodePool(CONTRACT, workers=1) as pool:
        first = pool.decode(png(0))
        for when in (0.0, 0.05):  # killed while it waits, and killed while it works
            (pid,) = worker_pids(os.getpid())[-1:]
            timer = threading.Timer(when, os.kill, (pid, signal.SIGKILL))
            timer.start()
            if when == 0.0:
                timer.join()
            assert pool.decode(slow_jpeg(1024, 60)).format == "JPEG"
            timer.join()
        assert pool.decode(png(0)).pixel_sha256 == first.pixel_sha256


@linux
def test_a_photo_that_kills_two_workers_is_corrupt() -> None:
    with DecodePool(CONTRACT, workers=1) as pool:
        pool.decode(png(0))
        stop = threading.Event()

        def kill_all() -> None:
            while not stop.wait(0.05):
                for pid in worker_pids(os.getpid()):
                    cpu_ticks = sum(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
                    if cpu_ticks > 60:  # well behind its start, inside the slow photo
                        os.kill(pid, signal.SIGSEGV)

        killer = threading.Thread(target=kill_all)
        killer.start()
        with pytest.raises(ImageRejected) as caught:
            pool.decode(slow_jpeg(2048, 1500))
        stop.set()
        killer.join()
        assert caught.value.verdict == "corrupt"
        assert caught.value.reason == f"{DIED} SIGSEGV"
        assert pool.decode(png(0)).format == "PNG"


@posix
def test_a_photo_that_eats_cpu_is_stopped_in_time() -> None:
    with DecodePool(CONTRACT, workers=1, timeout_s=0.5) as pool:
        pool.decode(png(0))
        start = time.monotonic()
        with pytest.raises(ImageRejected) as caught:
            pool.decode(slow_jpeg(2048, 1500))
        assert caught.value.verdict == "timeout"
        assert "data.timeout_s" in caught.value.reason
        assert time.monotonic() - start < 5
        assert pool.decode(png(0)).format == "PNG"


@linux
def test_a_worker_that_is_stuck_without_cpu_is_stopped_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    with DecodePool(CONTRACT, workers=1, timeout_s=0.5) as pool:
        pool._ticks = 4  # one second
        pool.decode(png(0))
        os.kill(worker_pids(os.getpid())[-1], signal.SIGSTOP)
        with pytest.raises(ImageRejected) as caught:
            pool.decode(png(1))
        assert caught.value.verdict == "timeout"
        assert pool.decode(png(1)).format == "PNG"


@linux
def test_a_worker_killed_by_the_clock_just_after_its_answer_fails_no_other_photo() -> None:
    with DecodePool(CONTRACT, workers=1) as pool:
        first = pool.decode(png(0))
        (worker,) = pool._workers
        worker._ticks_left = 1
        worker.tick()  # the watch kills it where it has answered and the program has not noticed
        worker._ticks_left = None
        assert worker._killed_by_watch
        assert pool.decode(png(0)).pixel_sha256 == first.pixel_sha256


@posix
def test_photos_of_other_threads_survive_those_that_are_stopped() -> None:
    slow, found = slow_jpeg(2048, 1500), []

    def decode(data: bytes) -> None:
        try:
            found.append((data is slow, pool.decode(data).format))
        except ImageRejected as rejected:
            found.append((data is slow, rejected.verdict))

    with DecodePool(CONTRACT, workers=2, timeout_s=0.3) as pool:
        photos = [slow, *(png(seed) for seed in range(6)), slow, *(png(seed) for seed in range(6))]
        threads = [threading.Thread(target=decode, args=(data,)) for data in photos]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
    assert sorted(found) == [(False, "PNG")] * 12 + [(True, "timeout")] * 2


@posix
def test_who_waits_for_a_pool_that_is_closed_hears_of_it() -> None:
    pool, heard = DecodePool(CONTRACT, workers=1), []

    def wait() -> None:
        with pytest.raises(PhotograftError, match="closed") as caught:
            pool.decode(slow_jpeg(2048, 1500))
        heard.append(str(caught.value))

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    while pool._in_flight < 3:
        time.sleep(0.01)
    pool.close()
    for thread in threads:
        thread.join(timeout=30)
    assert len(heard) == 3


@linux
def test_a_legal_fifty_megapixel_picture_with_alpha_fits_the_memory_limit() -> None:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((7000, 7100)).convert("LA").convert("RGBA").save(buffer, "PNG", compress_level=1)
    with DecodePool(make_contract(320), workers=1) as pool:
        decoded = pool.decode(buffer.getvalue())
        status = Path(f"/proc/{worker_pids(os.getpid())[-1]}/status").read_text()
    assert (decoded.width, decoded.height) == (7000, 7100)
    peak_kb = int(status.split("VmHWM:")[1].split()[0])
    assert peak_kb * 1024 < MEMORY_LIMIT_BYTES


@linux
def test_a_picture_that_needs_more_memory_is_refused_with_a_reason() -> None:
    data = bytearray(png(0))
    data[16:29] = struct.pack(">II", 12_000, 12_000) + bytes((8, 6, 0, 0, 0))  # says: 576 MB of RGBA
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with DecodePool(make_contract(64, max_pixels=400_000_000), workers=1) as pool:
        with pytest.raises(ImageRejected) as caught:
            pool.decode(bytes(data))
        assert caught.value.verdict == "too_many_pixels"
        assert "memory" in caught.value.reason
        assert pool.decode(png(0)).format == "PNG"


@linux
def test_a_lack_of_memory_inside_libjpeg_is_not_called_damage() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "JPEG", progressive=True, subsampling=0)
    data = bytearray(buffer.getvalue())
    frame = data.index(b"\xff\xc2")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 9500, 9500)  # 540 MB of coefficients
    limits = make_contract(64, max_pixels=400_000_000)
    with DecodePool(limits, workers=1) as pool, pytest.raises(ImageRejected) as caught:
        pool.decode(bytes(data))
    assert caught.value.verdict == "too_many_pixels"


@linux
def test_processes_end_with_close_with_the_pool_and_with_the_program(tmp_path: Path) -> None:
    def gone(pids: list[int]) -> bool:
        deadline = time.monotonic() + 5
        while any(Path(f"/proc/{p}").exists() for p in pids):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    before = set(worker_pids(os.getpid()))
    pool = DecodePool(CONTRACT, workers=1)
    pool.decode(png(0))
    pids = sorted(set(worker_pids(os.getpid())) - before)
    assert len(pids) == 1
    pool.close()
    assert gone(pids)
    with pytest.raises(PhotograftError, match="closed"):
        pool.decode(png(0))

    pool = DecodePool(CONTRACT, workers=1)
    pool.decode(png(0))
    pids = sorted(set(worker_pids(os.getpid())) - before)
    del pool
    gc.collect()
    assert gone(pids)

    (tmp_path / "photo.png").write_bytes(png(0))
    program = f"""
import os, pathlib, signal, sys
from photograft.contract import make_contract
from photograft.data.pool import DecodePool
pool = DecodePool(make_contract(64), workers=1)
pool.decode(pathlib.Path({str(tmp_path / "photo.png")!r}).read_bytes())
print(pool._workers[0]._process.pid, flush=True)
if sys.argv[1] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
"""
    for end in ("exit", "kill"):
        ended = subprocess.run([sys.executable, "-c", program, end], capture_output=True, text=True, timeout=60)
        assert ended.stderr == ""
        assert gone([int(ended.stdout)])


@posix
def test_ctrl_c_prints_nothing_of_the_workers(tmp_path: Path) -> None:
    program = """
import sys
from photograft.contract import make_contract
from photograft.data.pool import DecodePool
data = open(sys.argv[1], "rb").read()
try:
    with DecodePool(make_contract(64), workers=2) as pool:
        pool.decode(data)
        print("ready", flush=True)
        while True:
            pool.decode(data)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""
    (tmp_path / "photo.png").write_bytes(png(0))
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "photo.png")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)
        try:
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert out == "stopped\n"
    assert err == ""


def test_a_folder_with_a_module_called_numpy_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    with DecodePool(CONTRACT, workers=1) as pool:
        assert pool.decode(png(0)).format == "PNG"
