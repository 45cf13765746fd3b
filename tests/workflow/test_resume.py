"""Runs that are killed, stopped or hindered while they fine-tune go on to the result of an unbroken one."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.workflow.tuned import Case, Ended, Tuning, results, run_cases, the_run

from photograft.cli.main import main
from photograft.errors import DataError
from photograft.tracking.run_folder import RunFolder
from photograft.workflow.resume import forget_progress
from photograft.workflow.train import TrainedRun, resume, train

# The run that all of them go on with takes a minute.
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="POSIX signals")]

KILL, INT, TERM = (int(number) for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM))


@pytest.fixture(scope="module")
def ended(
    tuning: Tuning, unbroken: TrainedRun, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Ended, Path]]:
    """A function that gives how a process ended, and its run: all were run at once, since importing torch is slow."""
    folder = tmp_path_factory.mktemp("ended")

    def begin(name: str, events: dict[int, list[int | str]]) -> Case:
        return Case(tuning.command(folder / name), events, "checkpoints")

    cases = {
        "int": begin("int", {5: [INT]}),
        "term": begin("term", {3: [TERM]}),
        "twice": begin("twice", {4: [INT, INT]}),
        "full": begin("full", {5: ["full"]}),
        "held": begin("held", {5: [signal.SIGSTOP]}),
        "refused": Case(["train", "--resume", str(folder / "held" / unbroken.run.name)], {}),
        "end": Case(tuning.command(folder / "end"), {1: [KILL]}, f"{unbroken.run.name}/checksums.json"),
        "late": Case(["train", "--resume", str(folder / "full" / unbroken.run.name)], {1: ["full"]}, "network.safe"),
    }
    outcomes = dict(zip(cases, run_cases(list(cases.values()), folder), strict=True))
    return lambda name: (outcomes[name], folder / name / unbroken.run.name)


@pytest.fixture
def stopped(ended: Callable[[str], tuple[Ended, Path]]) -> Callable[[Path], Path]:
    """A function that gives a copy of a run that was stopped in its first epoch by Ctrl-C."""
    return lambda target: Path(shutil.copytree(ended("int")[1], target))


def check_equal(run: Path, unbroken: TrainedRun) -> None:
    ours, theirs = results(run), results(unbroken.run)
    assert [name for name in theirs if ours[name] != theirs[name]] == []
    RunFolder(run).check()  # checksums.json has every file and none that is gone


@pytest.mark.parametrize("every", [5, 1])
def test_a_fit_killed_around_its_writes_ends_as_if_it_never_was(tmp_path: Path, every: int) -> None:
    fit, chain = (["fit", str(tmp_path / name)] for name in ("whole", "chain"))
    n_moments = 2 * (14 + 3)  # before and after each of 14 checkpoints, and 3 times records
    kills = range(0, n_moments, every)
    cases = [Case(["fit", str(tmp_path / str(k))], {k: [KILL]} if kill else {}) for k in kills for kill in (1, 0)]
    # The last one is killed once in every step, until it comes to its end.
    found = run_cases([Case(fit, {}), *cases, *(Case(chain, {3: [KILL]}) for _ in range(16))], tmp_path)
    whole, ended, chained = found[0], found[1 : len(cases) + 1], found[len(cases) + 1 :]
    assert whole.code == 0 and 2 * whole.moved == n_moments
    assert [each.code for each in ended] == [-KILL, 0] * len(kills)
    assert {each.out for each in ended if each.code == 0} == {whole.out}
    assert [each.code for each in chained[:5]] == [-KILL] * 5 and chained[-1].out == whole.out


@pytest.mark.parametrize(("name", "code", "step"), [("int", 130, 2), ("term", 143, 1), ("twice", 130, 1)])
def test_a_signal_lets_the_step_end_and_a_second_one_does_not(
    ended: Callable[[str], tuple[Ended, Path]], unbroken: TrainedRun, tmp_path: Path, name: str, code: int, step: int
) -> None:
    how, run = ended(name)
    assert (how.code, how.out) == (code, "")
    assert how.err.endswith(f"Go on with: photograft train --resume {shlex.quote(str(run))}\nphotograft: stopped\n")
    kept = [f"step-0000000{each}.safetensors" for each in (step - 1, step)]
    assert names(run / "checkpoints" / "train") == kept
    copy = Path(shutil.copytree(run, tmp_path / "runs" / run.name))
    assert main(["train", "--resume", str(copy), "--json"]) == 0
    check_equal(copy, unbroken)


def test_a_run_is_refused_while_another_process_is_at_it_and_taken_over_after_its_death(
    ended: Callable[[str], tuple[Ended, Path]], unbroken: TrainedRun
) -> None:
    held, run = ended("held")
    refused, _ = ended("refused")
    assert (held.code, refused.code) == (-signal.SIGSTOP, 2)
    assert refused.err == (  # and nothing was read before
        f"photograft: error: Another process is writing {run}; wait for it or choose another run.\n"
    )
    resume(run)  # the other one is dead by now
    check_equal(run, unbroken)


def test_a_run_killed_before_it_tidied_up_is_finished_anew(
    ended: Callable[[str], tuple[Ended, Path]], unbroken: TrainedRun
) -> None:
    how, run = ended("end")
    assert how.code == -KILL and (run / "checksums.json").is_file() and (run / "started.json").is_file()
    RunFolder(run).check()
    (run / ".report.json.abcd.tmp").write_text("half")
    (run / ".model").mkdir()
    resume(run)
    check_equal(run, unbroken)
    scores = [json.loads((each / "report.json").read_text("utf-8"))["evaluations"] for each in (run, unbroken.run)]
    assert scores[0] == scores[1]


def test_a_full_disk_is_one_line_and_the_run_goes_on_after_room_was_made(
    ended: Callable[[str], tuple[Ended, Path]], unbroken: TrainedRun
) -> None:
    how, run = ended("full")
    last = how.err.splitlines()[-1]
    assert how.code == 2 and "Traceback" not in how.err
    assert last.startswith("photograft: error: ") and f"{run}/checkpoints/train: a checkpoint cannot be written" in last
    command = f"photograft train --resume {shlex.quote(str(run))}"
    assert last.endswith(f"the one before it is kept. Make room there. Then go on with: {command}")
    late, _ = ended("late")  # the disk is full while the run ends
    assert late.code == 2 and late.err.splitlines()[-1].endswith(f"then go on with: {command}")
    resume(run)
    check_equal(run, unbroken)


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_gives_the_same(
    stopped: Callable[[Path], Path], unbroken: TrainedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = stopped(tmp_path / "damaged")
    newest = run / "checkpoints" / "train" / "step-00000002.safetensors"
    content = bytearray(newest.read_bytes())
    content[-1000] ^= 1
    newest.write_bytes(content)
    assert main(["train", "--resume", str(run)]) == 0
    said = capsys.readouterr().err
    assert "step-00000002.safetensors is damaged; the checkpoint before it is used." in said
    assert "Fine-tuning (train): going on at step 1 of " in said
    check_equal(run, unbroken)


def test_mistakes_with_resume_are_one_line_each(
    stopped: Callable[[Path], Path],
    unbroken: TrainedRun,
    tiny_run: TrainedRun,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = stopped(tmp_path / "run")
    later = json.loads((run / "started.json").read_text("utf-8")) | {"format": 2}
    newer, torn = stopped(tmp_path / "newer"), stopped(tmp_path / "torn")
    (newer / "started.json").write_text(json.dumps(later))
    (torn / "started.json").write_text('{"format": 1')
    for arguments, code, message in [
        ([tmp_path / "none"], 4, "none is no run that was stopped while it was fine-tuned"),
        ([tmp_path], 4, "is no run that was stopped while it was fine-tuned"),
        ([unbroken.run], 4, "is finished: its report is"),
        ([tiny_run.run], 4, "is finished: its report is"),
        ([newer], 4, "has format 2, this release reads 1: pip install -U photograft"),
        ([torn], 4, "is damaged"),
        ([run, tmp_path], 2, "give nothing but --json beside it"),
        ([run, "--set", "train.lr=1"], 2, "give nothing but --json beside it"),
        ([run, "--runs-dir", tmp_path], 2, "give nothing but --json beside it"),
        ([run, "--per-class", "3"], 2, "give nothing but --json beside it"),
    ]:
        assert main(["train", "--resume", *map(str, arguments)]) == code, message
        out, err = capsys.readouterr()
        assert (out, len(err.splitlines())) == ("", 1) and message in err
    assert not (tmp_path / "none").exists()


def test_photos_that_changed_are_refused_and_may_be_put_back(
    stopped: Callable[[Path], Path], tuning: Tuning, unbroken: TrainedRun, tmp_path: Path
) -> None:
    photos = Path(shutil.copytree(tuning.photos, tmp_path / "photos"))
    run = stopped(tmp_path / "runs" / "run")
    started = json.loads((run / "started.json").read_text("utf-8"))
    (run / "started.json").write_text(json.dumps(started | {"photos": str(photos)}))
    moved = next(photos.rglob("*.jpg"))
    other = next(folder for folder in photos.iterdir() if folder != moved.parent)
    moved.rename(other / "moved.jpg")
    with pytest.raises(DataError, match=r"photos or labels changed since .* put them back, or train a new run"):
        resume(run)
    (other / "moved.jpg").rename(moved)
    photos.rename(tmp_path / "away")
    with pytest.raises(DataError, match=str(photos)):
        resume(run)
    (tmp_path / "away").rename(photos)
    resume(run)
    check_equal(run, unbroken)


def test_names_of_any_bytes_and_a_time_limit_go_on(tuning: Tuning, tmp_path: Path) -> None:
    photos = Path(shutil.copytree(tuning.photos, tmp_path / "photos"))
    folder = os.fsencode(photos / "daisy")
    try:
        os.rename(folder + b"/daisy 00.jpg", folder + b"/\xff\xfe\r\n 00.jpg")
    except OSError:
        pytest.skip("the file system takes UTF-8 alone")
    own = Tuning(photos.rename(os.fsdecode(os.fsencode(photos) + b" \xff")), tuning.weights)
    config = own.config("train.time_limit=60")
    whole = train(own.photos, config=config, runs_dir=tmp_path / "whole")
    command = [os.fsencode(each).decode("utf-8", "surrogateescape") for each in own.command(tmp_path / "runs")]
    ended, done = run_cases(
        [
            Case([*command, "--set", "train.time_limit=60"], {3: [KILL]}, "checkpoints"),
            Case(["train", "--resume", str(tmp_path / "runs" / whole.run.name)], {}),
        ],
        tmp_path,
    )
    assert (ended.code, done.code) == (-KILL, 0), done.err
    ours, theirs = results(tmp_path / "runs" / whole.run.name), results(whole.run)
    assert [name for name in theirs if ours[name] != theirs[name]] == []
    settled = (tmp_path / "runs" / whole.run.name / "config.resolved.yaml").read_text("utf-8")
    assert "time_limit: 60" in settled


def test_a_run_that_wrote_two_networks_is_finished_anew(
    tuning: Tuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tuning.config("train.refit=all")  # writes its network twice: the one to test, the one to ship
    with monkeypatch.context() as patch:
        patch.setattr("photograft.workflow.train.forget_progress", lambda run: None)
        run = train(tuning.photos, config=config, runs_dir=tmp_path / "runs").run
    sealed = RunFolder(run)
    sealed.check()
    before, scores = results(run), json.loads((run / "report.json").read_text("utf-8"))["evaluations"]
    (run / ".report.json.abcd.tmp").write_text("half")
    (run / ".model").mkdir()
    resume(run)
    after = results(run)
    left = ("checkpoints", "started.json", ".report", ".model")
    assert after.pop("files") == [name for name in before.pop("files") if not name.startswith(left)]
    assert after == before and json.loads((run / "report.json").read_text("utf-8"))["evaluations"] == scores
    sealed.check()
    forget_progress(sealed)  # of a finished run: nothing
    sealed.check()


def test_a_run_killed_at_any_write_goes_on_to_the_same(tuning: Tuning, unbroken: TrainedRun, tmp_path: Path) -> None:
    (whole,) = run_cases([Case(tuning.command(tmp_path / "whole"), {})], tmp_path)
    check_equal(the_run(tmp_path / "whole"), unbroken)
    moments = range(1, 2 * whole.moved, 9)
    runs = [tmp_path / f"runs {k}" for k in moments]
    again = [["train", "--resume", str(each / unbroken.run.name)] for each in runs]
    cases = [
        case
        for k, folder, command in zip(moments, runs, again, strict=True)
        for case in (Case(tuning.command(folder), {k: [KILL]}), Case(command, {4: [KILL]}), Case(command, {}))
    ]
    ended = run_cases(cases, tmp_path)
    finished = 0
    for number, folder in enumerate(runs):
        killed, twice, last = ended[3 * number : 3 * number + 3]
        assert killed.code == -KILL and twice.code in (0, 4, -KILL) and last.code in (0, 4), last.err
        if twice.code == 4:  # it was killed before it had begun, or after its end
            assert "is no run that was stopped" in twice.err or "is finished" in twice.err
        if last.code == 0 or twice.code == 0 or "is finished" in twice.err:
            finished += 1
            check_equal(folder / unbroken.run.name, unbroken)
    assert finished > len(runs) / 2


def test_a_run_killed_at_random_moments_goes_on_to_the_same(
    tuning: Tuning, unbroken: TrainedRun, tmp_path: Path
) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    rng = np.random.default_rng(int(time.time()))

    def run_for(seconds: float | None, arguments: list[str]) -> float:
        """Run a command, kill it after that time; gives how long it took, 0 where it was killed."""
        started = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-m", "photograft", *arguments],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
        assert process.returncode in (0, -KILL)
        return 0.0 if process.returncode else time.monotonic() - started

    whole_s = run_for(None, tuning.command(tmp_path / "whole"))
    begun = 0
    for i, share in enumerate(np.linspace(0.3, 1, 8) + rng.uniform(-0.06, 0.06, 8)):
        runs = tmp_path / f"runs {i}"
        run_for(share * whole_s, tuning.command(runs))
        found = list(runs.glob("2*/started.json"))
        if not found:
            continue
        begun += 1
        again = ["train", "--resume", str(found[0].parent)]
        for limit in (whole_s * rng.uniform(0.4, 1), None) if i % 2 else (None,):
            if found[0].is_file():
                run_for(limit, again)
        check_equal(found[0].parent, unbroken)
    assert begun >= 1


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
