"""Run folders with drawn photos and invented predictions, made in no time: they have no model."""

from __future__ import annotations

import os
import queue
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from photograft.config import load_config, to_yaml
from photograft.data.csv_text import table_csv
from photograft.data.hashing import hash_bytes
from photograft.reporting.doubts import DOUBTS, Doubt, doubts_csv
from photograft.reporting.records import issues_csv, manifest_csv
from photograft.serving.review import review
from photograft.tracking.run_folder import RunFolder
from photograft.values import Issue, Manifest, Photo

CLASSES = ("노란 튤립", "sun flower", "daisy", "해바라기", "=데이지;<b>")


def make_run(
    place: Path, *, classes: Sequence[str] = CLASSES, n: int = 8, several: bool = False, conflict: bool = True
) -> RunFolder:
    """A run of `n` photos, all doubted and worst first; photo i has class i and is rather the next one.

    With `conflict`, photos 0 and 3 show the same picture.
    """
    root = place / "나의 사진"
    photos = [_draw(root, classes[i % len(classes)], i, len(classes)) for i in range(n)]
    others = [classes[(i + 1) % len(classes)] for i in range(n)]
    if several:
        photos = [replace(photo, label=None, labels=(str(photo.label),)) for photo in photos]
    run = RunFolder(place / "runs" / "2026-01-02-나의 사진")
    run.path.mkdir(parents=True)
    run.write("config.resolved.yaml", to_yaml(load_config(None, [])))
    run.write_json("run.json", {"photos": str(root), "command": f"photograft train {root} --quality fast"})
    run.write_json("report.json", {})
    run.write("manifest.csv", manifest_csv(Manifest(root, tuple(photos))))
    run.write("splits.csv", table_csv([["path", "part"], *([photo.name, "train"] for photo in photos)]))
    same = [photos[i].name for i in (0, 3)] if conflict else []
    message = "a.jpg, b.jpg: the same picture under different labels (a, b)"
    run.write("issues.csv", issues_csv([Issue("label_conflict", tuple(same), message, "Decide.")] if same else []))
    rows = [
        [photo.name, "train", *(f"{_share(photo, name, other):.3f}" for name in classes)]
        for photo, other in zip(photos, others, strict=True)
    ]
    run.write("predictions.csv", table_csv([["path", "part", *(f"p_{name}" for name in classes)], *rows]))
    doubts = [
        Doubt(photo.name, _told(photo.all_labels, several), _told((other,), several), 1 - i / 100, "train", True)
        for i, (photo, other) in enumerate(zip(photos, others, strict=True))
    ]
    run.write(DOUBTS, doubts_csv(doubts))
    return run


def _draw(root: Path, label: str, i: int, n_classes: int) -> Photo:
    path = root / label / f"사진 {i}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(i).integers(0, 256, size=(4, 6, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((240, 160)).save(path, comment=b"taken at home")
    sha256 = hash_bytes(path.read_bytes())
    return Photo(path.relative_to(root).as_posix(), label, sha256=sha256, width=240, height=160)


def _share(photo: Photo, name: str, other: str) -> float:
    return 0.8 if name == other else 0.1 if name in photo.all_labels else 0.001


def _told(labels: Sequence[str], several: bool) -> str:
    return "[" + ", ".join(f'"{label}"' for label in labels) + "]" if several else labels[0]


@contextmanager
def serving_here(run: RunFolder, **options: Any) -> Iterator[str]:
    """The server in a thread, and its address; the page has to end it, else the block does."""
    addresses: queue.SimpleQueue[str] = queue.SimpleQueue()
    thread = threading.Thread(
        target=review, args=(run.path,), kwargs={"browser": False, "opened": addresses.put, **options}, daemon=True
    )
    thread.start()
    address = addresses.get(timeout=60)
    try:
        yield address
    finally:
        end(address)
        thread.join(20)
        assert not thread.is_alive()


def end(address: str) -> None:
    """What the page's last button does."""
    origin, _, token = address.partition("/?token=")
    with httpx.Client(base_url=origin, trust_env=False) as client, suppress(httpx.TransportError):
        write = re.findall(r'name="write" content="([^"]+)"', client.get("/", params={"token": token}).text)[0]
        client.post("/api/end", json={}, headers={"x-photograft-write": write})


@contextmanager
def serving(run: RunFolder, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`photograft review` as a process, and the address that it prints; ended by SIGTERM behind the block."""
    command = [sys.executable, "-m", "photograft", "review", str(run.path), "--no-browser", *options]
    environment = {**os.environ, "PYTHONWARNINGS": "error", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=environment
    )
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 60)[0], "no address within a minute"
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line)
        assert found, process.communicate(timeout=10)[1]
        yield found.group(), process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
