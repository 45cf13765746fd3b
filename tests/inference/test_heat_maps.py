"""Questions, class activation and occlusion: the numbers add up, and the heat lies where the evidence is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from tests.inference.tiny_bundles import Draft, flat_factors, two_factors

from photograft.errors import ConfigError
from photograft.features.engine_maps import MapEngine
from photograft.inference.classifier import Classifier
from photograft.inference.evidence import (
    chances,
    directions,
    log_odds,
    questions_about,
    questions_named,
    target_logits,
    target_row,
)
from photograft.inference.heat_maps import GRID, HeatMap, class_activation, empty_picture, look
from photograft.inference.occlusion import Coverings, cell_means, check_faith, occlude
from photograft.models.bundle import read_bundle


def engines_of(bundle: Any) -> dict[str, MapEngine]:
    return {key: MapEngine(path, threads=1) for key, path in bundle.networks.items()}


def pixels_for(bundle: Any, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {key: rng.integers(0, 256, (each.px, each.px, 3), dtype=np.uint8) for key, each in bundle.contracts.items()}


def labels(folder: Path) -> Draft:
    return (
        Draft(folder).network("small", 16).target("label", ("a", "b"), ["small"], kind="sigmoid", thresholds=(0.5, 0.5))
    )


@pytest.mark.parametrize("draft", [two_factors, flat_factors, labels])
def test_directions_say_how_log_odds_change(draft: Any, tmp_path: Path) -> None:
    bundle = read_bundle(draft(tmp_path / "model").write())
    with Classifier(bundle) as classifier:
        embeddings = classifier.embed({key: each[None] for key, each in pixels_for(bundle).items()})
        (prediction,) = classifier.predict_each([np.full((40, 40, 3), 90, np.uint8)])
    rng = np.random.default_rng(1)
    for question in questions_about(prediction, bundle):
        row = target_row(bundle, question)
        slope = directions(question, bundle, embeddings)
        step = {key: (1e-3 * rng.normal(size=each.shape)).astype(np.float32) for key, each in embeddings.items()}
        moved = {key: each + step[key] for key, each in embeddings.items()}
        before, after = (
            log_odds(question, bundle, target_logits(bundle, row, each))[0] for each in (embeddings, moved)
        )
        wanted = sum(float(step[key][0] @ slope[key]) for key in slope)
        assert after - before == pytest.approx(wanted, rel=0.02, abs=1e-5)


def test_log_odds_agree_with_the_probabilities_that_are_predicted(tmp_path: Path) -> None:
    bundle = read_bundle(two_factors(tmp_path / "model").write())
    with Classifier(bundle) as classifier:
        embeddings = classifier.embed({key: each[None] for key, each in pixels_for(bundle).items()})
        composed = classifier.probabilities(embeddings)
    for factor, values in (("mask", ("none", "쓴 wear")), ("age", ("<30", "30-60", ">=60"))):
        for k, value in enumerate(values):
            (question,) = questions_named(value, bundle)
            assert question.factor == factor
            odds = log_odds(question, bundle, target_logits(bundle, target_row(bundle, question), embeddings))
            assert chances(odds)[0] == pytest.approx(composed.factors[factor][0, k])


def test_questions_can_be_named_by_class_combination_and_value(tmp_path: Path) -> None:
    joint = read_bundle(two_factors(tmp_path / "joint").write())
    assert [(q.factor, q.label) for q in questions_named("쓴 wear | 30-60", joint)] == [
        ("mask", "쓴 wear"),
        ("age", "30-60"),
    ]
    flat = read_bundle(flat_factors(tmp_path / "flat").write())
    (whole,) = questions_named("none | >=60", flat)
    assert (whole.factor, whole.member_K.tolist()) == ("", [False, True, False])
    (value,) = questions_named("none", flat)
    assert (value.factor, value.member_K.tolist()) == ("mask", [True, True, False])
    with pytest.raises(ConfigError, match="no class '장미'; it knows none"):
        questions_named("장미", flat)


def test_the_evidence_adds_up_to_what_the_photo_has_more_than_an_empty_picture(tiny_classifier: Classifier) -> None:
    bundle = tiny_classifier.bundle
    engines, pixels = engines_of(bundle), pixels_for(bundle)
    (question,) = questions_named("daisy", bundle)
    photo, empty = look(bundle, engines, pixels), look(bundle, engines, empty_picture(pixels))
    found = class_activation(question, bundle, photo, empty)
    (network,) = bundle.networks
    weight_D = directions(question, bundle, photo.embeddings)[network]
    wanted = float(weight_D @ (photo.embeddings[network] - empty.embeddings[network])[0])
    assert found.share == 1
    assert sum(value for _, value in found.stages) == pytest.approx(wanted, rel=1e-3)
    assert found.evidence_GG.sum() == pytest.approx(wanted, rel=0.1, abs=0.05)  # resizing costs a little at the edges
    assert [side for side, _ in found.stages] == sorted((side for side, _ in found.stages), reverse=True)


def test_a_network_without_maps_explains_nothing_by_them(tmp_path: Path) -> None:
    bundle = read_bundle(two_factors(tmp_path / "model").write())
    engines, pixels = engines_of(bundle), pixels_for(bundle)
    photo, empty = look(bundle, engines, pixels), look(bundle, engines, empty_picture(pixels))
    found = class_activation(questions_named("<30", bundle)[0], bundle, photo, empty)
    assert found.share == 0
    assert not found.evidence_GG.any()
    assert [side for side, _ in found.stages] == [0]


def test_occlusion_finds_the_column_that_decides(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "model").network("small", 32)
    bundle = read_bundle(draft.target("label", ("a", "b"), ["small"]).write())
    weight_DM = np.zeros((96, 2), np.float32)
    weight_DM[3 * 20 : 3 * 24, 1] = 0.2  # the redder, greener and bluer columns 20 to 23 are, the more it is b
    (head,) = bundle.heads
    bundle = replace(bundle, heads={head: replace(bundle.heads[head], weight_DM=weight_DM)})
    picture = np.full((32, 32, 3), 60, np.uint8)
    picture[:, 20:24] = 250
    (contract,) = bundle.contracts
    coverings = Coverings(bundle, engines_of(bundle), {contract: picture})
    (question,) = questions_named("b", bundle)
    (found,) = occlude([question], coverings)
    columns = cell_means(found.evidence_GG, 8).mean(axis=0)
    assert np.argmax(columns) == 5
    faith = check_faith(question, found, coverings)
    assert faith.holds
    assert faith.marked < faith.before - 0.05
    cold = HeatMap("occlusion", -found.evidence_GG, 1.0)
    assert not check_faith(question, cold, coverings).holds


def test_heat_lies_on_the_object_of_a_drawn_photo(tiny_classifier: Classifier) -> None:
    """A triangle in the colour of its class, on one side of a smooth photo: the heat follows it."""
    bundle = tiny_classifier.bundle
    engines = engines_of(bundle)
    (question,) = questions_named("daisy", bundle)
    (contract,) = bundle.contracts
    rng = np.random.default_rng(0)
    on_object = []
    for i in range(12):
        coarse = rng.integers(60, 200, size=(3, 4, 3), dtype=np.uint8)
        photo = Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC)
        x, y = (16, 20) if i % 2 else (46, 42)
        ImageDraw.Draw(photo).polygon(((x, y - 12), (x + 12, y + 12), (x - 12, y + 12)), fill=(30, 180, 70), outline=0)
        pixels = {contract: np.asarray(photo)}
        found = class_activation(
            question, bundle, look(bundle, engines, pixels), look(bundle, engines, empty_picture(pixels))
        )
        places_Y, places_X = (np.mgrid[0:GRID, 0:GRID] + 0.5) * 64 / GRID
        inside_GG = (np.abs(places_X - x) < 14) & (np.abs(places_Y - y) < 14)
        on_object.append(found.heat_GG[inside_GG].sum() / max(found.heat_GG.sum(), 1e-9) / inside_GG.mean())
    assert np.mean(on_object) > 1.8  # times what it would be were the heat spread evenly


def test_heat_is_between_0_and_1_and_placed_in_words() -> None:
    evidence_GG = np.zeros((GRID, GRID))
    assert not HeatMap("cam", evidence_GG, 1).heat_GG.any()
    assert HeatMap("cam", evidence_GG, 1).place == ""
    evidence_GG[40:50, 2:12] = 3
    found = HeatMap("cam", evidence_GG, 1)
    assert (found.heat_GG.min(), found.heat_GG.max(), found.place) == (0, 1, "lower left")
