"""Bundles with several contracts, networks, heads and targets, from files to predictions."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.inference.tiny_bundles import AGE, MASK, Draft, flat_factors, several_labels, two_factors

import photograft
from photograft.contract import make_contract
from photograft.data.images import decode
from photograft.data.pool import DecodePool
from photograft.errors import IntegrityError
from photograft.inference.classifier import Classifier, Prediction, load
from photograft.inference.cost import measure_ms
from photograft.inference.golden import draw_golden_pictures, play_golden, replay_golden
from photograft.models.bundle import read_bundle, seal_bundle


@pytest.fixture(scope="module")
def composite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two factors by two networks at two sizes, one of them of five views."""
    return two_factors(tmp_path_factory.mktemp("composite") / "모델").write(temperature=1.2)


@pytest.fixture(scope="module")
def photos() -> list[bytes]:
    from PIL import Image

    files = []
    for seed in range(3):
        buffer = io.BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 256, (9, 11, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((70, 50)).save(buffer, "PNG")
        files.append(buffer.getvalue())
    return files


def one(model: Classifier, photo: object) -> Prediction:
    found = model.predict(photo)  # type: ignore[arg-type]
    assert isinstance(found, Prediction)
    return found


def test_probabilities_are_those_of_the_parts(composite: Path, photos: list[bytes]) -> None:
    """Computed once more from the files, without the code under test but for the decoder."""
    with load(composite) as model:
        prediction = one(model, photos[0])
        heads = model.bundle.heads
    small = decode(photos[0], make_contract(16)).pixels / 255
    large = decode(photos[0], make_contract(32)).pixels / 255
    embed = lambda pixels: pixels.mean(axis=0).reshape(-1)  # noqa: E731
    small_D = (embed(small) + embed(small[:, ::-1])) / 2
    corners = [(2, 2), (0, 0), (0, 4), (4, 0), (4, 4)]
    large_D = np.mean([embed(large[y : y + 28, x : x + 28]) for y, x in corners], axis=0)
    logits = {
        name: d @ heads[name].weight_DM + heads[name].bias_M
        for name, d in (("mask-small", small_D), ("age-small", small_D), ("age-large", large_D))
    }
    on = 1 / (1 + np.exp(-logits["mask-small"][0] / 1.5))
    past = 1 / (1 + np.exp(-(0.3 * logits["age-small"] + 0.7 * logits["age-large"])))
    age = np.array([1 - past[0], past[0] * (1 - past[1]), past[0] * past[1]]) / np.sqrt([0.5, 0.3, 0.2])
    age /= age.sum()
    joint = np.outer([1 - on, on], age).reshape(-1) ** (1 / 1.2)
    joint /= joint.sum()
    names = [f"{m} | {a}" for m in MASK for a in AGE]
    assert dict(prediction.top) == pytest.approx(dict(zip(names, joint, strict=True)), abs=1e-5)
    assert dict(prediction.factors["age"].top) == pytest.approx(dict(zip(AGE, age, strict=True)), abs=1e-5)
    mask = prediction.factors["mask"]
    assert dict(mask.top) == pytest.approx({MASK[0]: 1 - on, MASK[1]: on}, abs=1e-5)
    assert (mask.label, mask.probability) == mask.top[0] and prediction.labels == ()
    assert prediction.label == prediction.top[0][0] and hash(prediction)


def test_each_file_is_read_once_and_decoded_once_per_contract(
    tmp_path: Path, photos: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = Draft(tmp_path / "model").network("a", 16).network("b", 16, flip=True).network("c", 28)
    draft.target("x", ("1", "2"), ["a", "b", "c"]).target("y", ("1", "2", "3"), ["a"])
    (tmp_path / "사진.png").write_bytes(photos[0])
    decoded: list[int] = []
    submit = DecodePool.submit

    def counted(self: DecodePool, photo: object) -> object:
        decoded.append(self.contract.px)
        return submit(self, photo)  # type: ignore[arg-type]

    monkeypatch.setattr(DecodePool, "submit", counted)
    opened: list[str] = []
    read: Callable[..., tuple[bytes, object]] = photograft.inference.classifier.read_input

    def watched(path: Path, **limits: int) -> tuple[bytes, object]:
        opened.append(path.name)
        return read(path, **limits)

    monkeypatch.setattr(photograft.inference.classifier, "read_input", watched)
    with load(draft.write()) as model:
        assert len(model.bundle.contracts) == 2 and model.factors == ("x", "y")
        passes: list[tuple[str, int]] = []
        embed_with = model.embed_with
        monkeypatch.setattr(
            model, "embed_with", lambda name, pixels: passes.append((name, len(pixels))) or embed_with(name, pixels)
        )
        assert one(model, tmp_path / "사진.png").status == "ok"
    assert sorted(decoded) == [16, 28] and opened == ["사진.png"]
    assert passes == [("a", 1), ("b", 1), ("c", 1)]


def test_what_comes_in_different_ways_and_batches_agrees(composite: Path, photos: list[bytes]) -> None:
    from PIL import Image

    with load(composite) as model:
        images = [Image.open(io.BytesIO(photo)) for photo in photos]
        mixed = [photos[0], b"broken", images[1], np.asarray(images[2]), b""]
        found = model.predict([*mixed, *photos * 6])
        assert isinstance(found, list)
        assert [p.status for p in found[:5]] == ["ok", "rejected", "ok", "ok", "rejected"]
        assert found[1].factors == {} and found[1].top == () and found[1].reason.startswith("not_an_image")
        for a, b in zip((found[0], found[2], found[3]), found[-3:], strict=True):
            assert dict(a.top) == pytest.approx(dict(b.top), abs=1e-5)
            assert a.factors["age"].label == b.factors["age"].label


def test_a_photo_rejected_under_one_contract_is_rejected(tmp_path: Path, photos: list[bytes]) -> None:
    draft = Draft(tmp_path / "model").network("a", 16).network("b", 16, contract=make_contract(16, formats=("JPEG",)))
    with load(draft.target("x", ("1", "2"), ["a", "b"]).write()) as model:
        found = model.predict([photos[0], draw_golden_pictures()["golden/picture.jpg"]])
        assert isinstance(found, list) and [p.status for p in found] == ["rejected", "ok"]
        assert found[0].reason.startswith("unsupported_format") and model.factors == ()


def test_photos_are_read_lazily_for_all_contracts(composite: Path, photos: list[bytes]) -> None:
    taken: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(1)
            yield photos[len(taken) % 3]

    with load(composite) as model:
        stream = model.predict_each(endless())
        assert [next(stream).status for _ in range(20)] == ["ok"] * 20
    assert len(taken) < 200


def test_tables_of_photos_and_of_features_agree(composite: Path, photos: list[bytes]) -> None:
    with load(composite) as model:
        label_N = np.array([4, -1, 0, 2])
        table = model.predict_table([photos[0], b"broken", *photos[1:]], label_N)
        pixels = [model.decode(photo) for photo in photos]
        embeddings = model.embed({key: np.stack([each[key] for each in pixels]) for key in pixels[0]})
        again = model.table(list("abc"), embeddings, label_N[[0, 2, 3]])
        backwards = model.table(["b", "a"], embeddings, label_N[[2, 0]], rows=np.array([1, 0]))
        composed = model.probabilities(embeddings)
    kept = table.take(np.array([0, 2, 3]))
    assert table.statuses == ("ok", "rejected", "ok", "ok") and np.isnan(table.probabilities_NK[1]).all()
    assert np.allclose(kept.probabilities_NK, again.probabilities_NK, atol=1e-5)
    assert np.array_equal(composed.probabilities_NK, again.probabilities_NK) and again.paths == ("a", "b", "c")
    assert np.allclose(backwards.probabilities_NK, again.probabilities_NK[[1, 0]], atol=1e-6)
    for (name, left), (other, right) in zip(table.factors, again.factors, strict=True):
        assert name == other and np.allclose(
            left.take(np.array([0, 2, 3])).probabilities_NK, right.probabilities_NK, atol=1e-5
        )
    assert dict(table.factors)["mask"].label_N.tolist() == [1, -1, 0, 0]
    assert dict(table.factors)["age"].label_N.tolist() == [1, -1, 0, 2]


def test_a_flat_model_says_what_the_factors_are(tmp_path: Path, photos: list[bytes]) -> None:
    with load(flat_factors(tmp_path / "model").write()) as model:
        prediction = one(model, photos[0])
        assert model.factors == ("mask", "나이") and model.classes == ("none | <30", "none | >=60", "쓴 wear | <30")
    chances = dict(prediction.top)
    assert dict(prediction.factors["나이"].top)["<30"] == pytest.approx(
        chances["none | <30"] + chances["쓴 wear | <30"]
    )


def test_several_labels_are_those_that_reach_their_thresholds(tmp_path: Path, photos: list[bytes]) -> None:
    with load(several_labels(tmp_path / "model").write()) as model:
        assert model.bundle.several and not model.bundle.joint
        prediction = one(model, photos[0])
        table = model.predict_table(photos, member_NK=np.ones((3, 3), bool))
    chances = dict(prediction.top)
    wanted = [
        name for name, threshold in zip(model.classes, (0.0, 0.5, 1.0), strict=True) if chances[name] >= threshold
    ]
    assert sorted(name for name, _ in prediction.labels) == sorted(wanted) and "개" in wanted and "bird" not in wanted
    assert [chance for _, chance in prediction.labels] == sorted((chances[name] for name in wanted), reverse=True)
    assert (prediction.label, prediction.probability) == prediction.top[0]
    assert table.threshold_K is not None and table.member_NK is not None and table.given_NK[:, 0].all()


def test_golden_outputs_hold_every_target_contract_and_combination(tmp_path: Path) -> None:
    pictures = draw_golden_pictures()
    folder = two_factors(tmp_path / "model").write(temperature=1.2, files=pictures)
    with Classifier(read_bundle(folder)) as model:
        golden = play_golden(model, pictures)
    info = read_bundle(folder).info
    seal_bundle(folder, info.model_copy(update={"golden": golden}))
    assert photograft.verify(folder).ok
    row = read_bundle(folder).info.golden[0]
    assert set(row.outputs) == {"mask", "age"} and len(row.joint) == 6 and sum(row.joint) == pytest.approx(1)
    assert (
        list(row.pixels) == [each.id for each in info.contracts]
        and row.pixels_sha256 == row.pixels[info.contracts[0].id]
    )
    changes = {
        "other pixels": {"pixels": {**row.pixels, info.contracts[1].id: "0" * 64}},
        "of age differ": {"outputs": {**row.outputs, "age": (0.2, 0.3, 0.5)}},
        "0 probabilities of mask": {"outputs": {"age": row.outputs["age"]}},
        "combinations differ": {"joint": row.joint[::-1]},
    }
    with load(folder) as model:
        bundle = model.bundle
        for words, change in changes.items():
            rows = (golden[0].model_copy(update=change), golden[1])
            model.bundle = replace(bundle, info=bundle.info.model_copy(update={"golden": rows}))
            (problem,) = replay_golden(model)[2]
            assert words in problem


def test_a_network_that_does_not_fit_its_views_is_refused(tmp_path: Path, photos: list[bytes]) -> None:
    draft = Draft(tmp_path / "model").network("a", 28, crops="five", contract=make_contract(28))
    with (
        load(draft.target("x", ("1", "2"), ["a"]).write()) as model,
        pytest.raises(IntegrityError, match=r"28 px.*24 px"),
    ):
        model.predict(photos[0])


def test_the_cost_of_every_network_is_measured(composite: Path) -> None:
    with load(composite) as model:
        costs = measure_ms(model)
    assert set(costs) == {"small", "large"} and all(0 < ms < 1000 for ms in costs.values())
