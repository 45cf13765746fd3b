from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from photograft.features.matrix import Scratch, file_mapping, release, row_blocks, stack_rows
from photograft.values import FloatArray

posix = pytest.mark.skipif(os.name == "nt", reason="limits and files without a name are POSIX")
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs /proc (Linux)")

MEMORY = """
import sys
import numpy as np
from pathlib import Path
from photograft.features.matrix import Scratch, row_blocks, stack_rows

def megabytes(line):
    return int(Path("/proc/self/status").read_text().split(line + ":")[1].split()[0]) / 1000

before = megabytes("VmHWM")
ones_BD = np.ones((1000, 2000), np.float32)
matrix_ND = stack_rows((ones_BD * i for i in range(40)), 40_000, scratch=Scratch(Path(sys.argv[1]), limit_bytes=0))
for rows in (None, np.arange(0, 40_000, 2)):
    assert sum(float(block_BD[:, 0].sum()) for _, block_BD in row_blocks(matrix_ND, rows)) > 0
print(megabytes("VmHWM") - before)
"""

FULL_DISK = """
import resource, sys
import numpy as np
from pathlib import Path
from photograft.errors import PhotograftError
from photograft.features.matrix import Scratch, stack_rows

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    stack_rows(iter([np.ones((100, 1000), np.float32)] * 2), 200, scratch=Scratch(Path(sys.argv[1]), limit_bytes=0))
except PhotograftError as error:
    print(error)
"""


def draw(n: int, d: int) -> FloatArray:
    return np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)


def in_file(matrix_ND: FloatArray, folder: Path) -> FloatArray:
    stacked = stack_rows(np.array_split(matrix_ND, 3), len(matrix_ND), scratch=Scratch(folder, limit_bytes=0))
    assert file_mapping(stacked) is not None
    return stacked


def test_a_matrix_in_a_file_equals_the_one_in_memory(tmp_path: Path) -> None:
    matrix_ND = draw(100, 7)
    stacked_ND = in_file(matrix_ND, tmp_path)
    assert np.array_equal(stacked_ND, matrix_ND) and stacked_ND.dtype == np.float32
    release(stacked_ND)
    assert np.array_equal(stacked_ND[[3, 99, 3]], matrix_ND[[3, 99, 3]])
    for scratch in (None, Scratch(tmp_path), Scratch(tmp_path / "missing", limit_bytes=0)):
        kept_ND = stack_rows([matrix_ND[:1], matrix_ND[1:]], 100, scratch=scratch)
        assert np.array_equal(kept_ND, matrix_ND) and file_mapping(kept_ND) is None


@pytest.mark.parametrize("rows", [None, np.array([5, 2, 2, 10_999]), np.arange(0, 11_000, 2), np.array([], np.int64)])
def test_blocks_give_every_row_once_and_in_order(tmp_path: Path, rows: np.typing.NDArray[np.int64] | None) -> None:
    matrix_ND = draw(11_000, 2000)  # three blocks
    wanted_ND = matrix_ND if rows is None else matrix_ND[rows]
    for kept_ND in (matrix_ND, in_file(matrix_ND, tmp_path)):
        blocks = list(row_blocks(kept_ND, rows))
        assert np.array_equal(np.concatenate([block_BD for _, block_BD in blocks]), wanted_ND)
        assert [place.stop - place.start for place, _ in blocks] == [len(block_BD) for _, block_BD in blocks]
        assert blocks[0][0].start == 0 and blocks[-1][0].stop == len(wanted_ND)
        assert len(blocks) == -(-len(wanted_ND) // 4000) or len(wanted_ND) == 0


@posix
def test_the_file_has_no_name_that_could_be_left_behind(tmp_path: Path) -> None:
    stacked_ND = in_file(draw(10, 3), tmp_path)
    assert list(tmp_path.iterdir()) == [] and stacked_ND.shape == (10, 3)


@needs_proc
def test_a_matrix_in_a_file_takes_the_memory_of_a_few_blocks(tmp_path: Path) -> None:
    grown_mb = float(subprocess.check_output([sys.executable, "-c", MEMORY, str(tmp_path)], text=True))
    assert grown_mb < 160  # the matrix has 320


@posix
def test_a_full_disk_says_what_to_do(tmp_path: Path) -> None:
    message = subprocess.check_output([sys.executable, "-c", FULL_DISK, str(tmp_path)], text=True)
    assert "cache.dir" in message and "File too large" in message
