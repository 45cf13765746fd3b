"""Indexes whose writers are killed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import CLASSES, draw_photo_folder
from tests.workflow.indexes import files_of, make_ordinary, make_sharded, state

from photograft.errors import ModelError
from photograft.retrieval.shards import is_sharded
from photograft.retrieval.store import is_index
from photograft.workflow.search import open_index
from photograft.workflow.search_build import add_photos, build_index, update_index
from photograft.workflow.search_merge import merge_indexes
from photograft.workflow.train import TrainedRun

DIE_AT = """
import os, pathlib, shutil, signal, sys, traceback
seen = 0
def die_at(step, names):
    def counted(real):
        def call(*arguments, **options):
            global seen
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)
        return call
    for name in names:
        setattr(os, name, counted(getattr(os, name)))
"""

KILLED = f"""{DIE_AT}
from photograft.workflow.search_build import add_photos, build_index
# Before everything that changes what is on the disk for good.
die_at(int(sys.argv[1]), ("fsync", "replace", "unlink", "link"))
if sys.argv[2] == "build":
    build_index(sys.argv[3], sys.argv[5:], sys.argv[4])
else:
    add_photos(sys.argv[4], sys.argv[5:])
print("done", seen)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "getpgid"), reason="SIGKILL")
@pytest.mark.parametrize("verb", ["build", "add"])
def test_killed_at_any_step_the_index_is_the_old_one_or_the_new_one(
    verb: str, tiny_run: TrainedRun, tmp_path: Path
) -> None:
    photos, index = draw_photo_folder(tmp_path / "사진", classes=CLASSES[:2], n=20), tmp_path / "index"
    few = photos / CLASSES[0]
    old: set[int] = set()
    build_index(tiny_run.run, [few], tmp_path / "before")
    for step in range(1, 200):
        shutil.rmtree(index, ignore_errors=True)
        if verb == "add":
            shutil.copytree(tmp_path / "before", index)
        given = [sys.executable, "-c", KILLED, str(step), verb, str(tiny_run.run), str(index), str(photos)]
        done = subprocess.run(given, capture_output=True, text=True, check=False)
        if done.stdout.startswith("done"):
            assert step > 8
            break
        assert done.returncode == -9, done.stderr
        if is_index(index):
            n = len(state(index))
            assert n in (20, 40)
            old.add(n)
        else:
            assert verb == "build"
            with pytest.raises(ModelError, match=r"its build was stopped|no index\.json|no such folder"):
                open_index(index)
        again = build_index(tiny_run.run, [photos], index) if verb == "build" else add_photos(index, [photos])
        assert len(state(index)) == 40 and again.photos == 40
        left = {name for name in files_of(index) if name.endswith(".tmp") or name.startswith(("rows", "vectors"))}
        assert len(left) == 2
    assert old == ({40} if verb == "build" else {20, 40})


KILLED_IN_TURN = f"""{DIE_AT}
from tests.workflow.indexes import make_ordinary, make_sharded
from photograft.workflow.search_merge import merge_indexes
kind, (root, before, *parts) = sys.argv[1], map(pathlib.Path, sys.argv[2:])
def apart(index, parts):
    merge_indexes(parts, index, apart=True)
make = {{"ordinary": make_ordinary, "sharded": make_sharded, "apart": apart}}
for step in range(1, 400):
    if before.is_dir():
        shutil.copytree(before, root / str(step))
    child = os.fork()
    if not child:
        die_at(step, ("fsync", "replace", "unlink", "link", "rmdir", "rename"))
        try:
            make[kind](root / str(step), parts)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status):
        sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL")
@pytest.mark.parametrize("kinds", ["none to apart", "sharded to ordinary", "ordinary to sharded", "sharded to sharded"])
def test_killed_while_an_index_becomes_one_of_another_kind_it_is_the_old_one_or_the_new_one(
    kinds: str, tiny_run: TrainedRun, tmp_path: Path
) -> None:
    before, _, after = kinds.split()
    make: dict[str, Callable[[Path, Sequence[Path]], object]] = {
        "ordinary": make_ordinary,
        "sharded": make_sharded,
        "apart": lambda index, parts: merge_indexes(parts, index, apart=True),
    }
    parts = [tmp_path / "10", tmp_path / "2", tmp_path / "3"]
    for seed, part in enumerate(parts):
        photos = draw_photo_folder(tmp_path / "사진" / part.name, classes=CLASSES[:1], n=int(part.name), seed=seed)
        if seed:  # a photo that all of them hold
            shutil.copy(next((tmp_path / "사진" / "10").rglob("*.jpg")), photos / "again.jpg")
        build_index(tiny_run.run, [photos], part)
    old, new = parts[:2], parts[2:] if after == "ordinary" else parts[1:]
    n_new = 4 if after == "ordinary" else 6
    if before != "none":
        make[before](tmp_path / "before", old)
    (tmp_path / "after").mkdir()
    given = [sys.executable, "-c", KILLED_IN_TURN, after, tmp_path / "after", tmp_path / "before", *new]
    subprocess.run(given, cwd=Path(__file__).parents[2], check=True)
    killed = sorted((tmp_path / "after").iterdir(), key=lambda index: int(index.name))[:-1]
    assert len(killed) > 8
    found = []
    for index in killed:
        if before == "none" and not is_sharded(index):
            with pytest.raises(ModelError, match=r"its build was stopped|no index\.json"):
                open_index(index)
        else:
            found.append(_n_photos(index))
        if is_sharded(index):  # whatever else is there: it is the index, so nobody writes another one
            with pytest.raises(ModelError, match="is an index in shards"):
                update_index(index)
        make[after](index, new)  # goes on where it was killed
        assert _n_photos(index) == n_new and is_sharded(index) != (after == "ordinary")
        names = sorted(re.sub(r"-.*", "", name) for name in os.listdir(index) if name not in (".lock", "thumbnails"))
        ordinary = ["derived", "directions", "index.json", "network", "rows", "vectors"]
        sharded = ["derived", "directions", *(["shards"] if after == "sharded" else []), "shards.json", "twins"]
        assert names == (ordinary if after == "ordinary" else sharded)
    assert found == sorted(found, key=[12, n_new].index) and set(found) == (
        {n_new} if before == "none" else {12, n_new}
    )


def _n_photos(index: Path) -> int:
    """How many photos an index has, after looking at all of them."""
    with open_index(index) as opened:
        query_D = np.ones(opened.info.network.size, np.float32)
        assert all(opened.thumbnail(match.id) for match in opened.nearest(query_D, top=opened.n))
        return opened.n
