"""Indexes that are replaced while somebody opens them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import CLASSES, draw_photo_folder
from tests.workflow.indexes import make_ordinary, make_sharded

from photograft.errors import ConfigError, IntegrityError, ModelError
from photograft.retrieval import shards, store
from photograft.retrieval.shards import read_index
from photograft.workflow import search
from photograft.workflow.search import open_index
from photograft.workflow.search_build import add_photos, build_index
from photograft.workflow.search_merge import merge_indexes
from photograft.workflow.train import TrainedRun

MAKE = {"ordinary": make_ordinary, "sharded": make_sharded}


@pytest.fixture(scope="module")
def parts(tiny_run: TrainedRun, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Indexes of 5, 3 and 4 photos."""
    root = tmp_path_factory.mktemp("parts")
    for seed, n in enumerate((5, 3, 4)):
        build_index(
            tiny_run.run, [draw_photo_folder(root / f"사진 {n}", classes=CLASSES[:1], n=n, seed=seed)], root / f"{n}"
        )
    return [root / "5", root / "3", root / "4"]


def once(real: Callable[..., Any], act: Callable[[], object]) -> Callable[..., Any]:
    """The real function, but the first time another process acts after it."""
    acts = [act]

    def call(*arguments: Any, **options: Any) -> Any:
        given = real(*arguments, **options)
        while acts:
            acts.pop()()
        return given

    return call


@pytest.mark.parametrize("after", ["ordinary", "sharded"])
@pytest.mark.parametrize("before", ["ordinary", "sharded"])
@pytest.mark.parametrize("when", ["it is chosen", "its names are read", "all is read"])
def test_a_reader_gets_the_new_index(
    when: str, before: str, after: str, parts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "색인"
    MAKE[before](index, parts[:2])

    def replace_it() -> None:
        MAKE[after](index, parts[1:])

    if when == "it is chosen":
        monkeypatch.setattr(shards, "is_sharded", once(shards.is_sharded, replace_it))
    elif when == "its names are read":
        module: Any = store if before == "ordinary" else shards
        name = "read_info" if before == "ordinary" else "read_shards_info"
        monkeypatch.setattr(module, name, once(getattr(module, name), replace_it))
    else:
        shutil.rmtree(index / "derived")  # so that opening it needs the vectors
        monkeypatch.setattr(search, "read_index", once(search.read_index, replace_it))
    with open_index(index) as opened:
        assert opened.n == 7
        assert len(opened.nearest(np.ones(opened.info.network.size, np.float32), top=9)) == 7


def test_what_is_missing_although_nobody_replaced_it_is_named(parts: list[Path], tmp_path: Path) -> None:
    make_sharded(tmp_path / "색인", parts)
    (file,) = (tmp_path / "색인").glob("directions-*")
    file.unlink()
    with pytest.raises(IntegrityError, match=f"{file.name} is missing: copy the index again"):
        open_index(tmp_path / "색인")
    with pytest.raises(ModelError, match="there is no such folder"):
        read_index(tmp_path / "nothing")


def test_beside_an_index_in_shards_no_other_counts(parts: list[Path], tmp_path: Path, tiny_run: TrainedRun) -> None:
    """As a writer leaves it that was killed between the two."""
    index = tmp_path / "색인"
    make_sharded(index, parts[:2])
    for file in parts[2].glob("*.*"):
        shutil.copy(file, index / file.name)
    with open_index(index) as opened:
        assert opened.n == 8
    with pytest.raises(ModelError, match="is an index in shards"):
        add_photos(index, [parts[2].with_name("사진 4")])
    with pytest.raises(ConfigError, match="is an index in shards; choose another folder"):
        build_index(tiny_run.run, [parts[2].with_name("사진 4")], index)
    with pytest.raises(ConfigError, match="is an index in shards; choose another folder"):
        merge_indexes(parts, index)
    assert merge_indexes(parts, index, apart=True).photos == 12
    with open_index(index) as opened:
        assert opened.n == 12
