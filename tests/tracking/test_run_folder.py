from __future__ import annotations

import datetime
import json
import subprocess
import sys
from pathlib import Path

import pytest

from photograft.errors import ConfigError, IntegrityError, ModelError
from photograft.tracking.pretrained import open_trained
from photograft.tracking.run_folder import create_run, open_run

TODAY = datetime.date.today().isoformat()


def test_runs_of_one_name_are_numbered(tmp_path: Path) -> None:
    names = [create_run(tmp_path / "새 runs", "나의 사진").path.name for _ in range(3)]
    assert names == [f"{TODAY}-나의 사진", f"{TODAY}-나의 사진-2", f"{TODAY}-나의 사진-3"]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("../../etc", "etc"),
        ('a/b\\c:d*e?f"g<h>i|j', "a-b-c-d-e-f-g-h-i-j"),
        ("line\nbreak\x00", "line-break"),
        (" . ", "run"),
        ("", "run"),
        ("ends.", "ends"),
    ],
)
def test_a_name_never_leads_out_of_the_folder(tmp_path: Path, name: str, folder: str) -> None:
    run = create_run(tmp_path, name)
    assert run.path.parent == tmp_path and run.path.name == f"{TODAY}-{folder}"


@pytest.mark.parametrize("name", ["x" * 300, "꽃" * 90])
def test_a_name_that_is_too_long_is_blamed(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"^--name: .*choose a shorter name"):
        create_run(tmp_path, name)
    assert create_run(tmp_path, name[:70]).path.is_dir()


def test_a_runs_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--runs-dir"):
        create_run(tmp_path / "file" / "runs", "x")


def test_another_process_holds_the_lock_until_it_dies(tmp_path: Path) -> None:
    run = create_run(tmp_path, "한 run")
    program = (
        "import sys; from pathlib import Path; from photograft.tracking.run_folder import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).locked():\n    print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(run.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match="Another process"), run.locked():
            pytest.fail("two processes held one run")
        other.kill()
    with run.locked():
        run.write("a.txt", "written")
    assert run.read("a.txt") == "written"


def test_files_are_whole_or_refused(tmp_path: Path) -> None:
    run = create_run(tmp_path, "x")
    with pytest.raises(ValueError, match="JSON compliant"):
        run.write_json("a.json", {"x": float("nan")})
    assert not (run.path / "a.json").exists()
    with pytest.raises(ModelError, match=r"a\.json"):
        run.read("a.json")


def test_only_a_run_is_opened_as_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a photograft run"):
        open_run(tmp_path)
    (tmp_path / "config.resolved.yaml").write_text("")
    assert open_run(tmp_path).model == tmp_path / "model"


def test_what_is_no_run_is_told_from_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is not a photograft run \(it holds no config\.resolved\.yaml\)"):
        open_run(tmp_path)
    with pytest.raises(ModelError, match=r"is not a photograft run \(there is no such folder; a run is runs/\.\.\.\)"):
        open_run(tmp_path / "꽃")


def test_a_run_that_was_stopped_says_how_to_go_on(tmp_path: Path) -> None:
    run = create_run(tmp_path, "사진")
    run.write("config.resolved.yaml", "")
    for verb in ("train", "pretrain"):
        run.write("started.json", json.dumps({"verb": verb}))
        with pytest.raises(ModelError, match=f"is not finished: go on with it by `photograft {verb} --resume '"):
            open_trained(run.path)
    run.write("report.json", "{}")
    assert open_trained(run.path) == run


def test_a_sealed_run_names_the_file_that_was_changed(tmp_path: Path) -> None:
    run = create_run(tmp_path, "사진")
    for name in ("config.resolved.yaml", "report.json", "report.html", "표.csv"):
        run.write(name, name)
    (run.path / ".lock").touch()
    run.model.mkdir()
    (run.model / "bundle.json").write_text("{}")
    run.check()  # a run that was never sealed, as older ones
    run.seal()
    assert set(json.loads(run.read("checksums.json"))) == {"config.resolved.yaml", "report.json", "표.csv"}
    run.write("report.html", "rendered again")
    run.check()
    assert open_run(run.path) == run

    run.write("표.csv", "other")
    assert open_run(run.path) == run  # only what a reader of the run parses is compared then
    with pytest.raises(IntegrityError, match=r"표\.csv was changed"):
        run.check()
    run.write("report.json", "other")
    with pytest.raises(IntegrityError, match=r"report\.json was changed"):
        open_run(run.path)
    (run.path / "report.json").unlink()
    with pytest.raises(IntegrityError, match=r"report\.json is missing"):
        open_run(run.path)
    for damaged in ("[1", "3", '{"../photo.jpg": "0"}'):
        run.write("checksums.json", damaged)
        with pytest.raises(IntegrityError):
            run.check()
