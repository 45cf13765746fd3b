"""Indexes whose writers are killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import CLASSES, draw_photo_folder
from tests.workflow.indexes import files_of, state

from photograft.errors import ModelError
from photograft.retrieval.store import is_index
from photograft.workflow.search import open_index
from photograft.workflow.search_build import add_photos, build_index
from photograft.workflow.train import TrainedRun

KILLED = """
import os, pathlib, signal, sys
from photograft.workflow.search_build import add_photos, build_index
step, seen = int(sys.argv[1]), 0
def counted(real):
    def call(*arguments, **options):
        global seen
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    return call
# Before everything that changes what is on the disk for good.
for name in ("fsync", "replace", "unlink", "link"):
    setattr(os, name, counted(getattr(os, name)))
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
