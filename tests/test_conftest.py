"""The fixtures that every other test rests on."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def test_photos_are_readable_and_far_from_each_other(photo_folder: Path) -> None:
    files = sorted(photo_folder.rglob("*.*"))
    assert len(files) == 60 and len({file.parent for file in files}) == 3
    bits = []
    for file in files:
        with Image.open(file) as photo:
            assert photo.size == (64, 48)
            grey = np.asarray(photo.convert("L").resize((17, 16)), dtype=int)
        bits.append(grey[:, 1:] > grey[:, :-1])
    assert min(np.count_nonzero(a != b) for a, b in combinations(bits, 2)) > 40


def test_same_seed_draws_the_same_photos(make_photo_folder: Callable[..., Path], tmp_path: Path) -> None:
    first, again, other = (
        make_photo_folder(tmp_path / str(i), classes=("가",), n=2, seed=s) for i, s in enumerate((1, 1, 2))
    )
    contents = [[file.read_bytes() for file in sorted(root.rglob("*.jpg"))] for root in (first, again, other)]
    assert contents[0] == contents[1] != contents[2]


def test_only_loopback_is_open() -> None:
    with socket.socket() as outside, pytest.raises(PermissionError, match="only loopback"):
        outside.connect(("192.0.2.1", 80))
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as inside:
        assert inside.getpeername() == server.getsockname()


def test_cache_is_not_the_users(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert Path(os.environ["PHOTOGRAFT_CACHE"]).is_relative_to(tmp_path_factory.getbasetemp())
