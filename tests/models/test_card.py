from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from tests.inference.tiny_bundles import Draft, flat_factors, several_labels, two_factors

from photograft.models.bundle import read_bundle
from photograft.models.bundle_rows import BundleInfo
from photograft.models.card import model_card

SCORES: dict[str, Any] = {"n": 1234, "accuracy": 0.77, "accuracy_low": 0.75, "accuracy_high": 0.79, "macro_f1": 0.52}
TESTED = SCORES | {
    "what": "out-of-fold",
    "leak_statement": "No person is on both sides.",
    "fitted_on": ["train", "val"],
}


def card(draft: Draft, **tested: Any) -> tuple[dict[str, Any], str]:
    """The YAML head and the text."""
    text = model_card(run="2026 꽃 *run*", info=info_of(draft), tested=TESTED | tested)
    _, head, body = text.split("---\n", 2)
    return yaml.safe_load(head), body


def info_of(draft: Draft) -> BundleInfo:
    return read_bundle(draft.write()).info


def test_a_plain_model(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "model").network("lite*0", 16, flip=True).target("label", ("개", "a|b"), ["lite*0"])
    head, body = card(draft)
    assert head["license"] == "apache-2.0" and head["base_model"] == "lite*0"
    assert body.startswith("\n# 2026 꽃 \\*run\\*\n\nAn image classifier for 2 classes. Made by photograft.\n")
    assert "a linear head on the frozen features of lite*0 (Apache-2.0) at 16 pixels, 2 views per photo." in body
    assert "## Classes\n\n- 개\n- a\\|b\n" in body
    assert "Accuracy 0.770 (95 % interval 0.750 to 0.790) on 1,234 photos (out-of-fold). No person is on both" in body
    assert "factor" not in body and "boxes" not in body and "afterwards" not in body


def test_a_tuned_model_fitted_on_all(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "model").network("a", 16).target("label", ("1", "2"), ["a"])
    draft.rows["networks"][0] = draft.rows["networks"][0].model_copy(update={"cut": "blocks:2"})
    _, body = card(draft, fitted_on=["train", "val", "test"])
    assert "the features, tuned on these classes, of a" in body and "1 view per photo" in body
    assert "afterwards fitted on all photos" in body


def test_factors_and_members_with_their_scores(tmp_path: Path) -> None:
    draft = two_factors(tmp_path / "model")
    draft.rows["networks"][1] = draft.rows["networks"][1].model_copy(
        update={"source": {"name": "vit", "weights_sha256": "", "licence": "MIT"}}
    )
    head, body = card(draft, factors={"mask": SCORES | {"accuracy": 0.99}, "age": SCORES})
    assert head["license"] == "other" and head["base_model"] == ["small", "vit"]
    assert "classifier for 2 factors: mask, age." in body and "all 6 combinations" in body
    assert (
        "- the frozen features of small (Apache-2.0) at 16 pixels, 2 views per photo: mask, age (weight 0.30)" in body
    )
    assert "- the frozen features of vit (MIT) at 28 pixels, 5 views per photo: age (weight 0.70)" in body
    assert "### mask\n\n- none\n- 쓴 wear\n\n### age\n\n- \\<30\n- 30-60" in body
    assert "| mask | 0.990 | 0.520 |\n| age | 0.770 | 0.520 |\n| all of them right | 0.770 | 0.520 |" in body


def test_a_flat_model_names_its_factors(tmp_path: Path) -> None:
    _, body = card(flat_factors(tmp_path / "model"))
    assert "for 3 classes, combinations of 2 factors: mask, 나이." in body and "### 나이\n\n- \\<30" in body


def test_several_labels(tmp_path: Path) -> None:
    _, body = card(several_labels(tmp_path / "model"), micro_f1=0.8)
    assert "Gives a photo any number of 3 labels." in body and "- cat; 고양이, from probability 0.50 on" in body
    assert "share of photos whose labels are all right is 0.770" in body and "Micro-F1 0.800, macro-F1 0.520" in body
