"""`explain`: from a run and from a bundle, as Python function and as command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.inference.tiny_bundles import two_factors

from photograft.cli.main import main
from photograft.errors import ConfigError
from photograft.reporting.explain_page import explain_lines
from photograft.reporting.overlay import lay_over
from photograft.schemas import load_schema
from photograft.workflow.explain import explain
from photograft.workflow.explain_page import explanations_document, write_explanations
from photograft.workflow.mistake_maps import explain_mistakes
from photograft.workflow.train import TrainedRun

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def photo(photo_folder: Path) -> str:
    """A photo of the run itself."""
    return str(photo_folder / "노란 튤립" / "노란 튤립 03.jpg")


def test_a_photo_of_the_run_is_explained_with_its_neighbours(tiny_run: TrainedRun, photo: str) -> None:
    (found,) = explain(tiny_run.run, [photo])
    (answer,) = found.answers
    assert answer.label == found.prediction.label == "노란 튤립"
    assert answer.probability == pytest.approx(found.prediction.probability, abs=1e-4)
    assert answer.heat_map.method == "cam"
    assert answer.heat_map.share == 1
    assert answer.faith is not None
    assert answer.faith.before > 0.5
    assert found.known is not None
    assert found.known.label == "노란 튤립"
    assert len(found.neighbours) == 6
    assert found.known.name not in [near.name for near in found.neighbours]
    assert (found.width, found.height) == (64, 48)
    document = explanations_document(tiny_run.run, [found])
    schema = load_schema("explain")
    jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(document)))
    assert any("Most like it in training: 노란 튤립" in line for line in explain_lines(document))


def test_a_bundle_alone_has_heat_maps_and_no_neighbours(bundle_copy: Path, photo: str) -> None:
    (found,) = explain(bundle_copy, [photo], method="occlusion")
    assert found.neighbours == ()
    assert found.known is None
    assert found.answers[0].heat_map.method == "occlusion"
    with pytest.raises(ConfigError, match="needs a run"):
        explain(bundle_copy, [photo], method="gradient")


def test_another_class_can_be_asked_about(tiny_run: TrainedRun, photo: str) -> None:
    (found,) = explain(tiny_run.run, [photo], label="daisy", top=0)
    assert [answer.label for answer in found.answers] == ["daisy"]
    assert found.rival is None
    assert found.neighbours == ()
    with pytest.raises(ConfigError, match="--class: the model knows no class 'rose'; it knows"):
        explain(tiny_run.run, [photo], label="rose")


def test_the_gradient_agrees_with_what_the_bundle_says(tiny_run: TrainedRun, photo: str) -> None:
    """The pixels' shares add up to what the photo has more than an empty picture, as the maps' shares do."""
    (by_gradient,), (by_maps,) = (explain(tiny_run.run, [photo], method=each, top=0) for each in ("gradient", "cam"))
    total = by_gradient.answers[0].heat_map.evidence_GG.sum()
    assert total == pytest.approx(by_maps.answers[0].heat_map.evidence_GG.sum(), rel=0.2)


def test_each_factor_has_a_heat_map(tmp_path: Path) -> None:
    bundle = two_factors(tmp_path / "model").write()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(tmp_path / "p.png")
    (found,) = explain(bundle, [tmp_path / "p.png"])
    assert [answer.factor for answer in found.answers] == ["mask", "age"]
    for answer in found.answers:
        factor = found.prediction.factors[answer.factor]
        assert (answer.label, answer.probability) == (factor.label, pytest.approx(factor.probability, abs=0.02))
        assert answer.heat_map.method == "occlusion"  # the network has no maps
    write_explanations(tmp_path / "why.html", bundle, [found], language="ko")
    page = (tmp_path / "why.html").read_text("utf-8")
    assert 'lang="ko"' in page
    assert page.count("data:image/jpeg") == 3


def test_the_command_prints_and_writes_page_and_pictures(
    tiny_run: TrainedRun, photo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "깨진 사진.jpg"
    broken.write_bytes(b"\xff\xd8 no photo")
    page, out = tmp_path / "왜.html", tmp_path / "heat maps"
    arguments = ["explain", str(tiny_run.run), photo, str(broken), "--html", str(page), "--out", str(out), "--json"]
    assert main(arguments) == 6
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(load_schema("explain")).validate(document)
    good, bad = document["photos"]
    assert (bad["status"], bad["answers"]) == ("rejected", [])
    (file,) = out.iterdir()
    assert Path(good["answers"][0]["overlay"]) == file
    with Image.open(file) as picture:
        assert picture.size == (64, 48)
    text = page.read_text("utf-8")
    assert text.count("data:image/jpeg") >= 2 + 6
    assert "could not be used" in text
    assert "http" not in text.replace("http-equiv", "")


def test_places_among_the_photos_and_wrong_ones_are_refused(
    tiny_run: TrainedRun, photo_folder: Path, photo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in (
        ["--out", str(photo_folder / "노란 튤립")],
        ["--html", str(tmp_path)],
        ["--html", str(tmp_path / "none" / "why.html")],
        ["--out", photo],
    ):
        assert main(["explain", str(tiny_run.run), photo, *more]) == 2
        assert more[0] in capsys.readouterr().err
    assert main(["explain", str(tiny_run.run), str(photo_folder), "--html", str(photo_folder / "why.html")]) == 2
    assert main(["explain", str(tmp_path), photo]) == 4


def test_mistakes_are_explained_where_photos_and_model_are_there(
    tiny_run: TrainedRun, photo_folder: Path, tmp_path: Path
) -> None:
    from photograft.config import load_config
    from photograft.reporting.records import read_manifest

    run = Path(shutil.copytree(tiny_run.run, tmp_path / "run"))
    config = load_config(run / "config.resolved.yaml")
    manifest = read_manifest((run / "manifest.csv").read_bytes(), photo_folder)
    photos = {each.name: each for each in manifest.photos}
    mistakes = [{"path": name, "label": "daisy", "predicted": "sun flower"} for name in list(photos)[:2]]
    found = explain_mistakes(run, mistakes, photos, photo_folder, config)
    assert set(found) == set(list(photos)[:2])
    for why in found.values():
        assert why.answer == "sun flower"
        assert why.heat.startswith(b"\xff\xd8")
        assert len(why.alike) == 3
        assert all(each.jpeg for each in why.alike)
    assert explain_mistakes(run, mistakes, photos, tmp_path / "gone", config) == {}
    shutil.rmtree(run / "model")
    assert explain_mistakes(run, mistakes, photos, photo_folder, config) == {}


def test_an_overlay_is_grey_without_heat_and_lighter_with_more() -> None:
    pixels = np.full((30, 30, 3), (200, 20, 90), np.uint8)
    heat_GG = np.tile(np.linspace(0, 1, 30), (30, 1))
    shown = lay_over(pixels, heat_GG).astype(float)
    assert np.ptp(shown[15, 0]) <= 6
    lightness = shown[15] @ (0.2126, 0.7152, 0.0722)
    assert lightness[-1] > lightness[15] > 40
