"""`train --on ray`: the run of the plain command, whatever dies meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.scaling.conftest import ThreeMachines, blocks_done_before

from photograft.cli.main import main
from photograft.config import Config
from photograft.errors import ConfigError

pytest.importorskip("pyarrow", reason="needs the extra `ray`")
pytest.importorskip("ray", reason="needs the extra `ray`")

from photograft.scaling.cluster import On
from photograft.scaling.train import train_on

TINY = ("--quality", "fast", "--set", "input.px=64")
DIFFER = {"checksums.json", "README.md", "report.html", "report.json", "run.json", "neighbours.safetensors"}
"""Files of a run that hold its name, its time, or hashes of files that do."""


def test_a_dry_run_and_several_processes_are_refused(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(photo_folder), "--on", "ray", "--dry-run"]) == 2
    assert "--dry-run measures" in capsys.readouterr().err
    assert main(["train", str(photo_folder), "--on", "spark"]) == 2
    assert "give `ray`" in capsys.readouterr().err
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT"):
        monkeypatch.setenv(name, "2" if name == "WORLD_SIZE" else "0")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with pytest.raises(ConfigError, match="torchrun"):
        train_on(On(), photo_folder)


@pytest.fixture(scope="module")
def many_photos(make_photo_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos in Hangul folders, two of which cannot be used, and a copy."""
    folder = make_photo_folder(tmp_path_factory.mktemp("many") / "많은 사진", n=200)
    (folder / "daisy" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "daisy" / "empty.png").write_bytes(b"")
    shutil.copy(folder / "daisy" / "daisy 00.jpg", folder / "daisy" / "copy.jpg")
    return folder


@pytest.mark.slow
@pytest.mark.ray
def test_equal_to_the_plain_command(
    many_photos: Path, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    several = ("--set", "ensemble.members.both={flip: true}")
    for more in (["--name", "a"], ["--name", "b", "--on", "ray"]):
        assert main(["train", str(many_photos), *TINY, *several, *more]) == 0
    plain, on_ray = sorted(Path("runs").iterdir())
    assert_equal_runs(plain, on_ray, without={"ensemble"})  # which says how long a photo takes
    assert not Path("jobs").exists()


@pytest.mark.slow
@pytest.mark.ray
def test_features_are_kept_and_may_stay_with_the_workers(
    many_photos: Path,
    tiny_config: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    # Photos that are told apart perfectly gain from every weaker penalty: which one is chosen hangs by a hair.
    common = ["train", str(many_photos), *TINY, "--set", "train.strength=0.1"]
    kept = ["--on", "ray", "--set", "scale.out=features"]
    for more in ([], kept, [*kept, "--set", "scale.memory_gb=0.0001"]):
        assert main([*common, *more]) == 0
    said = capsys.readouterr().err
    assert said.count("photos were read before") == 1 and said.count("fitted by the cluster") == 1
    plain, in_memory, streamed = (
        json.loads((run / "report.json").read_text("utf-8"))["evaluations"][0]["scores"]
        for run in sorted(Path("runs").iterdir(), key=lambda run: run.stat().st_mtime)
    )
    assert in_memory == plain
    assert streamed["n"] == plain["n"] and abs(streamed["log_loss"] - plain["log_loss"]) < 1e-3


@pytest.mark.slow
@pytest.mark.ray
def test_what_is_killed_costs_its_block(
    many_photos: Path, tiny_config: Config, tmp_path: Path, three_machines: ThreeMachines
) -> None:
    """The command is killed, and the same command goes on; then a machine is, and the others do what it had."""
    slow = (*TINY, "--set", "input.crops=five", "--set", "input.flip=true")  # ten views of each photo
    parts = tmp_path / "특징" / "parts"
    command = ["train", str(many_photos), *slow, "--name", "on ray", "--on", f"ray:{three_machines.address}"]
    command += ["--set", f"scale.out={parts.parent}"]
    killed = start(command, tmp_path)
    wait_for(parts, 2, killed)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    before = written(parts)
    n_blocks = json.loads((parts.parent / "job.json").read_text("utf-8"))["n_blocks"]
    assert 2 <= len(before) < n_blocks - 2

    left: list[int] = []

    def kill_in_the_middle(process: subprocess.Popen[str]) -> None:
        wait_for(parts, len(before) + 2, process)
        three_machines.kill_one()
        left.append(n_blocks - len(written(parts)))

    goes_on = start(command, tmp_path)
    killing = threading.Thread(target=kill_in_the_middle, args=(goes_on,), daemon=True)
    killing.start()
    _, said = goes_on.communicate(timeout=300)
    killing.join()
    assert goes_on.returncode == 0, said
    assert left and left[0] > 0  # when the machine was dead, work was left
    assert blocks_done_before(said) >= len(before)
    after = written(parts)
    assert len(after) == n_blocks and before.items() <= after.items()
    assert main(["train", str(many_photos), *slow, "--runs-dir", str(tmp_path / "runs"), "--name", "plain"]) == 0
    plain, on_ray = sorted((tmp_path / "runs").iterdir(), key=lambda run: "ray" in run.name)
    assert_equal_runs(plain, on_ray, without={"config.yaml", "config.resolved.yaml", "settings"})  # with scale.out


def assert_equal_runs(one: Path, other: Path, *, without: set[str]) -> None:
    """Every file is equal, save those that hold the run's name or time; of the report all but these parts are."""
    names, its_names = (
        {file.relative_to(run).as_posix() for file in run.rglob("*") if file.is_file()} for run in (one, other)
    )
    assert names - DIFFER == its_names - DIFFER
    different = [name for name in names & its_names if (one / name).read_bytes() != (other / name).read_bytes()]
    assert [name for name in different if Path(name).name not in DIFFER | without] == []
    mine, its = (json.loads((run / "report.json").read_text("utf-8")) for run in (one, other))
    may = {"run", "created", "seconds", "test_openings", "warnings"} | without
    assert {key for key in mine if mine[key] != its[key]} <= may


def start(command: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    called = [sys.executable, "-m", "photograft", *command]
    return subprocess.Popen(called, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(parts: Path, n: int, process: subprocess.Popen[str]) -> None:
    """Until so many blocks are done, or the process has ended."""
    while len(list(parts.glob("*.parquet"))) < n and process.poll() is None:
        time.sleep(0.05)


def written(parts: Path) -> dict[str, int]:
    """When each part was written."""
    return {file.name: file.stat().st_mtime_ns for file in parts.glob("*.parquet")}
