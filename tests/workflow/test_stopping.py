"""Runs as processes of their own: stopped, killed, side by side, and warm without the heavy packages."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

import photograft
from photograft.tracking.cache import Cache, cache_folder
from photograft.workflow.stopping import stop_on_request
from photograft.workflow.train import TrainedRun

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

WARM = """
import json, os, sys
for name in ("torch", "torchvision", "timm", "sklearn"):
    sys.modules[name] = None
folder, opened, started = os.path.realpath(sys.argv[2]), [], []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and os.path.realpath(arguments[0]).startswith(folder + os.sep):
        opened.append(arguments[0])
    if event == "subprocess.Popen" and "photograft.data.worker" in arguments[1]:
        started.append(arguments[0])
sys.addaudithook(watch)
from photograft.cli.main import main
code = main(sys.argv[1:])
print(json.dumps({"code": code, "opened": opened, "started": started}), file=sys.stderr)
"""


@pytest.fixture
def empty_cache(tiny_run: TrainedRun, tmp_path: Path) -> Path:
    """A cache of its own that holds only the exported network."""
    shutil.copytree(cache_folder() / "networks", tmp_path / "빈 cache" / "networks", copy_function=os.link)
    return tmp_path / "빈 cache"


@pytest.fixture
def terminated() -> Iterator[list[int]]:
    """The SIGTERMs that came through to what handles them outside of a fit."""
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    yield came
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("several", [False, True])
def test_a_stop_waits_for_the_end_of_the_block(terminated: list[int], several: bool) -> None:
    with stop_on_request(several=several) as stop:
        assert not stop.made
        signal.raise_signal(signal.SIGTERM)
        assert stop.made and not terminated
    assert terminated == [signal.SIGTERM]


def test_a_second_sigterm_stops_at_once_but_not_one_of_several_processes(terminated: list[int]) -> None:
    with stop_on_request() as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert terminated == [signal.SIGTERM]
        stop.number = None
    with stop_on_request(several=True):
        for _ in range(3):  # from Slurm, from torchrun, and from who knows
            signal.raise_signal(signal.SIGTERM)
        assert terminated == [signal.SIGTERM]  # the one from before
    assert terminated == 2 * [signal.SIGTERM]
    signal.raise_signal(signal.SIGTERM)  # too late: what was asked for is done
    assert terminated == 2 * [signal.SIGTERM]


@pytest.mark.parametrize("several", [False, True])
def test_a_second_ctrl_c_stops_at_once(several: bool) -> None:
    after = []
    with pytest.raises(KeyboardInterrupt), stop_on_request(several=several) as stop:
        signal.raise_signal(signal.SIGINT)
        after.append(stop.number)
        signal.raise_signal(signal.SIGINT)
        after.append(0)
    assert after == [signal.SIGINT]


def command(folder: Path, runs: Path) -> list[str]:
    options = ["--quality", "fast", "--set", "input.px=64", "--runs-dir", str(runs)]
    return ["train", str(folder), *options, "--json"]


def start(folder: Path, runs: Path, cache: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PHOTOGRAFT_CACHE": str(cache)}
    whole = [sys.executable, "-m", "photograft", *command(folder, runs)]
    return subprocess.Popen(whole, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def count_features(cache: Path) -> int:
    with (
        suppress(sqlite3.OperationalError),
        closing(sqlite3.connect(f"file:{cache}/cache-v1.sqlite?mode=ro", uri=True)) as db,
    ):
        return int(db.execute("SELECT count(*) FROM features").fetchone()[0])
    return 0


@pytest.mark.parametrize(
    ("number", "code", "n"),
    [(signal.SIGINT, 130, 150), pytest.param(signal.SIGKILL, -9, 400, marks=pytest.mark.slow)],
)
def test_a_stopped_run_leaves_a_usable_cache_and_no_run(
    make_photo_folder: Callable[..., Path],
    tiny_config: photograft.Config,
    empty_cache: Path,
    tmp_path: Path,
    number: int,
    code: int,
    n: int,
) -> None:
    folder = make_photo_folder(tmp_path / "나의 사진", n=n)
    runs = tmp_path / "runs 1"
    with start(folder, runs, empty_cache) as process:
        give_up = time.monotonic() + 60
        while not count_features(empty_cache) and process.poll() is None and time.monotonic() < give_up:
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "") and "Traceback" not in err
    assert not runs.exists()
    with Cache(empty_cache) as cache:
        kept = cache.sizes()["features"]
        assert cache.warning == "" and 0 < kept < 3 * n
    config = tiny_config.model_copy(update={"cache": tiny_config.cache.model_copy(update={"dir": empty_cache})})
    done = photograft.train(folder, config=config, runs_dir=runs)
    assert len(list(runs.glob("2*"))) == 1 and done.to_json()["oof"]["n"] == 3 * n
    assert not list(runs.rglob("*.tmp")) and not list(empty_cache.rglob("*.tmp"))
    with Cache(empty_cache) as cache:
        assert cache.sizes()["features"] == 3 * n


def test_a_warm_run_opens_no_photo_and_imports_nothing_heavy(
    photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(photo_folder, tmp_path / "warm photos"))
    # Wrongly labelled photos are mistakes, and the report shows mistakes as pictures.
    names = sorted(f.name for f in folder.iterdir())
    for number, path in enumerate(sorted((folder / names[0]).iterdir())[:3]):
        path.rename(folder / names[1] / f"wrong {number}.jpg")
    for path in folder.rglob("*.*"):
        os.utime(path, (time.time() - 100,) * 2)
    photograft.train(folder, config=tiny_config, runs_dir=tmp_path / "runs")
    whole = [sys.executable, "-c", WARM, *command(folder, tmp_path / "runs")]
    done = subprocess.run(whole, capture_output=True, text=True, check=True)
    assert json.loads(done.stderr.splitlines()[-1]) == {"code": 0, "opened": [], "started": []}
    assert json.loads(done.stdout)["oof"]["n"] == 60  # stdout is data only
    one, two = sorted((tmp_path / "runs").glob("2*"))
    pictures = [(run / "report.html").read_text("utf-8").count("data:image/jpeg") for run in (one, two)]
    assert pictures[0] == pictures[1] >= 3
    assert (one / "predictions.csv").read_bytes() == (two / "predictions.csv").read_bytes()


@pytest.mark.slow
def test_two_runs_at_once_share_one_cache(
    make_photo_folder: Callable[..., Path], empty_cache: Path, tmp_path: Path
) -> None:
    folder = make_photo_folder(tmp_path / "photos", n=100)
    processes = [start(folder, tmp_path / "runs", empty_cache) for _ in range(2)]
    results = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    printed = [json.loads(out) for out, _ in results]
    assert printed[0]["oof"] == printed[1]["oof"] and printed[0]["warnings"] == printed[1]["warnings"] == []
    tables = [(Path(p["run"]) / "predictions.csv").read_bytes() for p in printed]
    assert tables[0] == tables[1] and printed[0]["run"] != printed[1]["run"]
    with Cache(empty_cache) as cache:
        assert cache.sizes()["features"] == 300
