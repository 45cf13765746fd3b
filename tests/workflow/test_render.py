from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from photograft.reporting.thumbnails import make_thumbnail
from photograft.reporting.training import Training, training_document
from photograft.tracking.run_folder import open_run
from photograft.values import Layer, Record, Summary
from photograft.workflow.render import CONTACT_SHEET, report
from photograft.workflow.train import TrainedRun


def test_a_fine_tuned_run_is_drawn_again_with_its_contact_sheet(tiny_run: TrainedRun, tmp_path: Path) -> None:
    run = open_run(Path(shutil.copytree(tiny_run.run, tmp_path / "run")))
    assert 'id="training"' not in report(run.path).read_text("utf-8")
    layers = (Layer("stem", "Conv2d", (8, 4, 4), 30, 0, True), Layer("head", "Linear", (3,), 10, 0, False, 1e-3))
    record = Record("train", 1.0, 3, 1e-3, 0.5, 0.4, 0.9, 2.0, True)
    training = Training(Summary("last-block", "head", "frozen", layers), [record], epoch=1.0, seconds=2.0)
    run.write_json("report.json", json.loads(run.read("report.json")) | training_document(training))
    run.seal()
    assert "data:image" not in training_section(report(run.path))
    run.write(CONTACT_SHEET, make_thumbnail(np.full((40, 90, 3), 77, np.uint8)))
    section = training_section(report(run.path))
    assert "10 of 40 parameters" in section
    assert "data:image/jpeg;base64," in section


def test_every_member_is_drawn_with_its_own_contact_sheet(tiny_run: TrainedRun, tmp_path: Path) -> None:
    run = open_run(Path(shutil.copytree(tiny_run.run, tmp_path / "run")))
    layers = (Layer("head", "Linear", (3,), 10, 0, False, 1e-3),)
    record = Record("나이: a/b, fold 1", 1.0, 3, 1e-3, 0.5, 0.4, 0.9, 2.0, True)
    training = Training(Summary("all", "", "moved", layers), [record], epoch=1.0, seconds=2.0)
    members = training_document({"나이: a/b": training, "gender": training})
    run.write_json("report.json", json.loads(run.read("report.json")) | members)
    run.seal()
    folder = run.path / "members" / "나이- a-b"
    folder.mkdir(parents=True)
    (folder / CONTACT_SHEET).write_bytes(make_thumbnail(np.full((40, 90, 3), 77, np.uint8)))
    section = training_section(report(run.path))
    assert section.count("data:image/jpeg;base64,") == 1
    assert section.index("<h3>나이: a/b</h3>") < section.index("data:image") < section.index("<h3>gender</h3>")


def training_section(page: Path) -> str:
    text = page.read_text("utf-8")
    start = text.index('<section id="training"')
    return text[start : text.index("</section>", start)]
