"""`photograft predict` with models that say more than one class: factors and several labels."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from PIL import Image
from tests.inference.tiny_bundles import AGE, MASK, Draft, flat_factors, several_labels, two_factors

from photograft.cli.main import main
from photograft.cli.predict import _factor_columns
from photograft.schemas import load_schema

Run = Callable[..., str]


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "나의 사진.png", tmp_path / "깨진.png"]
    Image.linear_gradient("L").rotate(30).resize((40, 30)).convert("RGB").save(paths[0])
    paths[1].write_bytes(b"no picture")
    return paths


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> str:
        capsys.readouterr()
        assert main(["predict", *map(str, arguments)]) == 6
        return capsys.readouterr().out

    return call


def as_json(text: str) -> Any:
    value = json.loads(text)
    Draft202012Validator(load_schema("predict")).validate(value)
    return value


def as_rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text("utf-8"), newline="")))


def test_factors_in_text_json_and_csv(run: Run, photos: list[Path], tmp_path: Path) -> None:
    model = two_factors(tmp_path / "model").write()
    good, bad = as_json(run(model, *photos, "--top", 2, "--json", "--csv", tmp_path / "표.csv"))
    assert set(good["factors"]) == {"mask", "age"} and "labels" not in good and "factors" not in bad
    mask, age = good["factors"]["mask"], good["factors"]["age"]
    assert mask["label"] in MASK and age["label"] in AGE and len(age["top"]) == len(good["top"]) == 2
    assert age["top"][0] == {"label": age["label"], "probability": age["probability"]}
    line, rejected = run(model, *photos).splitlines()
    assert line.split("\t") == [
        str(photos[0]),
        f"{good['label']} {good['probability']:.3f}",
        f"mask={mask['label']} {mask['probability']:.3f}",
        f"age={age['label']} {age['probability']:.3f}",
    ]
    assert rejected.split("\t")[1] == "rejected"
    row, blank = as_rows(tmp_path / "표.csv")
    factors = ["mask", "mask_probability", "age", "age_probability"]
    assert list(row) == ["path", "status", "label", "probability", "label_2", "probability_2", *factors, "reason"]
    assert (row["mask"], row["age"]) == (mask["label"], age["label"])
    assert float(row["age_probability"]) == pytest.approx(age["probability"], abs=1e-9)
    assert blank["mask"] == blank["age_probability"] == "" and blank["reason"].startswith("not_an_image")


def test_factors_of_a_flat_model(run: Run, photos: list[Path], tmp_path: Path) -> None:
    model = flat_factors(tmp_path / "model").write()
    good, _ = as_json(run(model, *photos, "--json", "--csv", tmp_path / "x.csv"))
    row, _ = as_rows(tmp_path / "x.csv")
    assert list(good["factors"]) == ["mask", "나이"] and row["나이"] == good["factors"]["나이"]["label"]


def test_several_labels_in_text_json_and_csv(run: Run, photos: list[Path], tmp_path: Path) -> None:
    draft = several_labels(tmp_path / "model")
    draft.rows["targets"][0] = draft.rows["targets"][0].model_copy(update={"thresholds": (0.0, 0.0, 1.0)})
    model = draft.write()
    good, bad = as_json(run(model, *photos, "--json", "--csv", tmp_path / "x.csv"))
    names = [each["label"] for each in good["labels"]]
    assert sorted(names) == ["cat; 고양이", "개"] and "factors" not in good and "labels" not in bad
    line = run(model, *photos, "--top", 3).splitlines()[0].split("\t")
    assert line[1] == ", ".join(f"{each['label']} {each['probability']:.3f}" for each in good["labels"])
    assert len(line) == 5
    row, blank = as_rows(tmp_path / "x.csv")
    assert row["labels"] == ";".join(names) and row["label"] == good["label"] and blank["labels"] == ""
    assert list(row) == ["path", "status", "label", "probability", "labels", "reason"]


def test_no_label_reaches_its_threshold(run: Run, photos: list[Path], tmp_path: Path) -> None:
    draft = several_labels(tmp_path / "model")
    draft.rows["targets"][0] = draft.rows["targets"][0].model_copy(update={"thresholds": (1.0, 1.0, 1.0)})
    model = draft.write()
    good, _ = as_json(run(model, *photos, "--json", "--csv", tmp_path / "x.csv"))
    assert good["labels"] == [] and good["label"] == good["top"][0]["label"]
    assert run(model, *photos).splitlines()[0].split("\t")[1:] == ["(no label)"]
    assert as_rows(tmp_path / "x.csv")[0]["labels"] == ""


def test_a_factor_called_like_a_column_gets_a_column_of_its_own(run: Run, photos: list[Path], tmp_path: Path) -> None:
    draft = Draft(tmp_path / "model").network("a", 16)
    for name in ("Label", "path", "=x", "label_2"):
        draft.target(name, ("1", "2"), ["a"])
    run(draft.write(), *photos, "--top", 2, "--csv", tmp_path / "x.csv")
    row, _ = as_rows(tmp_path / "x.csv")
    assert row["path"] == str(photos[0]) and row["factor_path"] in "12" and row["'=x"] in "12"
    assert row["factor_Label"] in "12" and row["factor_label_2"] in "12" and " | " in row["label_2"]


def test_names_of_columns_are_never_given_twice() -> None:
    columns = _factor_columns(["a", "a_probability", "factor_label", "label", "A"], taken={"label", "reason"})
    assert columns[::2] == ["a", "factor_a_probability", "factor_label", "factor_factor_label", "factor_factor_A"]
    assert len({name.lower() for name in columns}) == 10
