"""`predict --on ray`: the same rows as the plain command, whatever dies meanwhile."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from tests.scaling.conftest import ThreeMachines, blocks_done_before

import photograft
from photograft.cli.main import main
from photograft.data.listing import Found
from photograft.errors import ConfigError, DataError, IntegrityError, ModelError
from photograft.inference.classifier import FactorPrediction, Prediction
from photograft.workflow.narrator import Silent
from photograft.workflow.train import TrainedRun

parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra `ray`")
pytest.importorskip("ray", reason="needs the extra `ray`")

from photograft.scaling.catalogue import Row, prediction_rows  # noqa: E402
from photograft.scaling.cluster import Cluster, On  # noqa: E402
from photograft.scaling.jobs import Job, _rows_of, job_place, open_job, remove_job, run_job, working_on  # noqa: E402
from photograft.scaling.place import Place  # noqa: E402
from photograft.scaling.predict import predict_on, predictions_table, read_predictions  # noqa: E402

PREDICTIONS = (
    Prediction("a 사진.jpg", "ok", "노란 튤립", 0.1 + 0.2, (("노란 튤립", 0.1 + 0.2), ("daisy", 0.25)), "", {}, ()),
    Prediction("b.jpg", "rejected", None, None, (), "truncated: the file ends"),
    Prediction(
        "c.jpg",
        "unsure",
        "red, big",
        0.4,
        (("red, big", 0.4), ("red, small", 0.3)),
        "",
        {"colour": FactorPrediction("red", 0.7, (("red", 0.7), ("blue", 0.3)))},
        (("red", 0.7),),
    ),
)


def test_a_table_gives_the_predictions_back(tmp_path: Path) -> None:
    for each in PREDICTIONS:
        (tmp_path / each.path).write_bytes(b"")
    paths = [str(tmp_path / each.path) for each in PREDICTIONS]
    job = open_job(Place.of(str(tmp_path / "job")), "predict", {}, lambda: prediction_rows(paths), Silent())
    named = list(zip(paths, PREDICTIONS, strict=True))
    job.place.write_table("parts/part-000000.parquet", predictions_table(named, top=2))
    found = list(read_predictions(job))
    assert [(p.status, p.label, p.probability, p.top, p.reason, dict(p.factors), p.labels) for p in found] == [
        (p.status, p.label, p.probability, p.top, p.reason, dict(p.factors), p.labels) for p in PREDICTIONS
    ]
    assert [each.path for each in found] == paths


def test_a_job_goes_on_only_with_what_it_began_with(tmp_path: Path) -> None:
    def begin(asked: dict[str, object], n: int) -> Job:
        rows = prediction_rows([f"{number}.jpg" for number in range(n)])
        return open_job(Place.of(str(tmp_path / "job")), "predict", asked, lambda: rows, Silent())

    job = begin({"top": 1}, 100)
    assert (job.n_rows, job.n_blocks, job.missing()) == (100, 4, [0, 1, 2, 3])
    assert begin({"top": 1}, 100) == job
    with pytest.raises(ConfigError, match="other top"):
        begin({"top": 2}, 100)
    with pytest.raises(DataError, match="list of photos"):
        begin({"top": 1}, 101)
    stated = (tmp_path / "job" / "job.json").read_text()
    other = stated.replace(json.dumps(photograft.__version__), '"0.0.1"')
    (tmp_path / "job" / "job.json").write_text(other)
    with pytest.raises(ConfigError, match="other version"):
        begin({"top": 1}, 100)
    (tmp_path / "job" / "job.json").write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        begin({"top": 1}, 100)


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds other files"):
        open_job(Place.of(str(tmp_path)), "predict", {}, lambda: prediction_rows(["a.jpg"]), Silent())
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_parts_without_their_job_are_not_taken_for_results(tmp_path: Path) -> None:
    place = Place.of(str(tmp_path / "job"))
    place.write("parts/part-000000.parquet", b"of another job")
    with pytest.raises(ConfigError, match="holds other files"):
        open_job(place, "predict", {}, lambda: prediction_rows(["a.jpg"]), Silent())
    job = open_job(place, "predict", {}, lambda: prediction_rows(["a.jpg"]), Silent(), anew=True)
    assert job.missing() == [0]  # nobody has chosen the folder: what is left of a removal that was cut off goes


def test_a_job_whose_removal_is_cut_off_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def begin() -> Job:
        rows = prediction_rows(["a.jpg"])
        return open_job(Place.of(str(tmp_path / "job")), "predict", {}, lambda: rows, Silent(), anew=True)

    job = begin()
    job.place.write("parts/part-000000.parquet", b"done")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Place, "remove", _stop)
        remove_job(job)
    assert job.missing() == [] and not job.place.exists("job.json")
    assert begin().missing() == [0]


def test_what_a_killed_worker_leaves_of_a_part_goes(tmp_path: Path) -> None:
    rows = prediction_rows(["a.jpg"])
    job = open_job(Place.of(str(tmp_path / "job")), "predict", {}, lambda: rows, Silent())
    for name in ("part-000000.parquet", ".part-000000.parquet.abc.tmp"):
        job.place.write(f"parts/{name}", b"")
    assert run_job(job, _stop, Cluster(1, 1), Silent(), label="").n_blocks == 0
    assert job.place.names("parts") == ["part-000000.parquet"]


def test_damage_to_a_job_is_named(tmp_path: Path) -> None:
    rows = [Row("/photos", Found(f"{number}.jpg")) for number in range(100)]
    job = open_job(Place.of(str(tmp_path / "job")), "predict", {}, lambda: rows, Silent())
    file = tmp_path / "job" / "catalogue" / "part-00000.parquet"
    for damage in (lambda: file.write_bytes(file.read_bytes()[:-20]), file.unlink):
        damage()
        with pytest.raises(IntegrityError, match=rf"{file} is .*: remove the folder {job.place.url}, and the same"):
            job.rows(1)


def test_a_lock_is_freed_with_its_process_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    hold = (
        "import sys, time; from photograft.scaling.jobs import working_on; from photograft.scaling.place import Place"
    )
    hold += "\nwith working_on(Place(sys.argv[1])):\n    print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold, str(out)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline()
        with (
            pytest.raises(ConfigError, match=rf"Another process is working on {out}; wait"),
            working_on(Place(str(out))),
        ):
            pass
        holder.kill()
    assert list(out.iterdir())  # what a killed process leaves is in nobody's way
    with working_on(Place(str(out))):
        open_job(Place(str(out)), "predict", {}, lambda: prediction_rows(["a.jpg"]), Silent())
    assert sorted(file.name for file in out.iterdir()) == ["catalogue", "job.json"]
    with working_on(Place(str(tmp_path / "new"))):
        pass
    assert not (tmp_path / "new").exists()


def test_a_folder_in_use_is_refused(
    tiny_run: TrainedRun, photo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with working_on(Place(str(out))):
        assert main(["predict", str(tiny_run.run), str(photo_folder), "--on", "ray", "--out", str(out)]) == 2
    assert f"Another process is working on {out}; wait for it" in capsys.readouterr().err
    assert not out.exists()


def test_other_lines_on_stdin_are_another_job(
    tiny_run: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("photograft.scaling.predict.open_cluster", _stop)
    for lines, n_jobs in ((b"a.jpg\n", 1), (b"b.jpg\n", 2), (b"a.jpg\r\n", 2)):
        with pytest.raises(KeyboardInterrupt), predict_on(On(), tiny_run.run, ["-"], stdin=[lines]):
            pass
        assert len(list(tmp_path.glob("jobs/predict-*/job.json"))) == n_jobs


def test_rows_that_are_left_are_known_without_opening_blocks(tmp_path: Path) -> None:
    rows = [Row("/photos", Found(f"{number}.jpg")) for number in range(5000)]
    job = open_job(Place.of(str(tmp_path / "job")), "predict", {}, lambda: rows, Silent())
    sizes = [job.rows(number).num_rows for number in range(job.n_blocks)]
    shutil.rmtree(tmp_path / "job" / "catalogue")
    assert len(set(sizes)) > 2
    assert [_rows_of(job, [number]) for number in range(job.n_blocks)] == sizes
    assert _rows_of(job, list(range(job.n_blocks))) == 5000


def test_the_same_command_finds_its_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = job_place("predict", {"top": 1}, None)
    assert place == job_place("predict", {"top": 1}, None) != job_place("predict", {"top": 2}, None)
    assert place.folder is not None and place.folder.parent == tmp_path / "jobs"


def test_out_needs_on(tiny_run: TrainedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(tiny_run.run), "a.jpg", "--out", str(tmp_path / "out")]) == 2
    assert "--on ray" in capsys.readouterr().err


def test_nothing_is_written_among_the_photos(
    tiny_run: TrainedRun, photo_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(photo_folder.rglob("*"))
    command = ["predict", str(tiny_run.run), str(photo_folder), "--on", "ray", "--out", str(photo_folder / "out")]
    assert main(command) == 2
    assert "never written to" in capsys.readouterr().err
    assert sorted(photo_folder.rglob("*")) == before


def test_an_address_of_no_cluster_leaves_no_job(
    tiny_run: TrainedRun,
    photo_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["predict", str(tiny_run.run), str(photo_folder), "--on", "ray:127.0.0.1:1"]) == 2
    assert "no Ray cluster" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def many_photos(make_photo_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos in Hangul folders, three of which cannot be used."""
    folder = make_photo_folder(tmp_path_factory.mktemp("many") / "많은 사진", n=130)
    (folder / "daisy" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "daisy" / "empty.png").write_bytes(b"")
    shutil.copy(next((folder / "daisy").glob("*.jpg")), folder / "daisy" / "copy.jpg")
    return folder


@pytest.mark.slow
@pytest.mark.ray
def test_equal_to_the_plain_command(
    tiny_run: TrainedRun, many_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run, photos = str(tiny_run.run), str(many_photos)
    lines = f"{photos}/daisy/empty.png\n{photos}/없음.jpg\n".encode()
    common = ["predict", run, photos, "-", "-", "--top", "2"]  # the second finds nothing left to read
    for name, more in (("plain", []), ("on ray", ["--on", "ray"]), ("kept", ["--on", "ray", "--out", "out"])):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
        assert main([*common, "--csv", f"{name}.csv", *more]) == 6
    plain = Path("plain.csv").read_bytes()
    assert plain.count(b"\n") == len(list(many_photos.rglob("*.*"))) + 3
    assert Path("on ray.csv").read_bytes() == Path("kept.csv").read_bytes() == plain
    assert not Path("jobs").exists()
    table = parquet.read_table("out/parts")
    assert Counter(table["status"].to_pylist())["rejected"] == 4
    stated = json.loads(Path("out/job.json").read_text("utf-8"))
    assert stated["n_rows"] == table.num_rows


@pytest.mark.slow
@pytest.mark.ray
def test_a_machine_that_is_lost_costs_its_block_once(
    tiny_run: TrainedRun, many_photos: Path, tmp_path: Path, three_machines: ThreeMachines
) -> None:
    photos, out = [str(many_photos)] * 4, tmp_path / "out"
    command = [sys.executable, "-m", "photograft", "predict", str(tiny_run.run), *photos, "--out", str(out)]
    command += ["--on", f"ray:{three_machines.address}"]
    # The command is a process of its own: in this one nothing but loopback may be reached.
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while len(list(out.glob("parts/*.parquet"))) < 4:
        time.sleep(0.02)
        assert running.poll() is None, running.communicate()
    three_machines.kill_one()
    printed, said = running.communicate(timeout=300)
    assert running.returncode == 6, said
    assert printed == "" and "done again elsewhere" in said
    n = 4 * len(_as_listed(many_photos))
    assert f"{n:,} rows are in" in said
    with photograft.load(tiny_run.run) as plain:
        expected = [(p.status, p.label) for p in plain.predict_each(_as_listed(many_photos))] * 4
    table = parquet.read_table(out / "parts")
    assert list(zip(table["status"].to_pylist(), table["label"].to_pylist(), strict=True)) == expected
    assert not list(out.glob("parts/.*.tmp"))


@pytest.mark.slow
@pytest.mark.ray
def test_a_command_that_is_killed_goes_on(tiny_run: TrainedRun, many_photos: Path, tmp_path: Path) -> None:
    out, photos = tmp_path / "out", [str(many_photos)] * 6
    command = [sys.executable, "-m", "photograft", "predict", str(tiny_run.run), *photos, "--on", "ray", "--out"]
    first = subprocess.Popen([*command, str(out)], stderr=subprocess.PIPE)
    while len(list(out.glob("parts/*.parquet"))) < 3:
        time.sleep(0.02)
        assert first.poll() is None
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert first.stderr is not None
    first.stderr.close()
    written = {file: file.stat().st_mtime_ns for file in out.glob("parts/*.parquet")}
    done = subprocess.run([*command, str(out)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 6, done.stderr
    assert blocks_done_before(done.stderr) >= len(written)
    assert {file: file.stat().st_mtime_ns for file in written} == written
    with photograft.load(tiny_run.run) as plain:
        expected = [p.label for p in plain.predict_each(str(f) for _ in photos for f in _as_listed(many_photos))]
    assert parquet.read_table(out / "parts")["label"].to_pylist() == expected


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _as_listed(folder: Path) -> list[str]:
    from photograft.data.inputs import expand_inputs

    return list(expand_inputs([str(folder)]))
