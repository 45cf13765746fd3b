"""The fit of an autoencoder: any step can be taken up again, and what it learns is to give photos back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from photograft.config.train import TrainConfig  # noqa: E402
from photograft.errors import ModelError, TrainingError  # noqa: E402
from photograft.models.autoencoder import Norm  # noqa: E402
from photograft.models.decoder import Autoencoder, build_autoencoder  # noqa: E402
from photograft.training.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from photograft.training.loop import Step  # noqa: E402
from photograft.training.pretraining import Pretraining, Reconstruction, measure_speed  # noqa: E402
from photograft.values import IntArray, PixelArray, Record  # noqa: E402

HALF = (0.5, 0.5, 0.5)
PX = 16


class Drawn:
    """Pictures of two colours each, drawn by their row."""

    def read(self, row_B: IntArray) -> PixelArray:
        pictures = []
        for row in row_B.tolist():
            random = np.random.default_rng(row)
            left, right = random.integers(0, 256, (2, 3), dtype=np.uint8)
            picture = np.broadcast_to(left, (PX, PX, 3)).copy()
            picture[:, PX // 2 :] = right
            pictures.append(picture)
        return np.stack(pictures)


def network(norm: Norm = "batch", seed: int = 0) -> Autoencoder:
    return build_autoencoder(width=4, n_blocks=1, norm=norm, mean=HALF, std=HALF, seed=seed)


def config(**changes: object) -> TrainConfig:
    usual = {"epochs": 3, "batch_size": 4, "lr": 1e-3, "head_lr": 1e-3, "precision": "fp32", "channels_last": False}
    return TrainConfig.model_validate(usual | changes)


def task(*, noise: float = 0.0, flip: str = "horizontal", n: int = 10, **changes: object) -> Reconstruction:
    train_N, held_N = np.arange(n), np.arange(n, n + 3)
    return Reconstruction(network(), Drawn(), train_N, held_N, config(**changes), noise, flip)


def run_all(fit: Pretraining) -> list[Step | Record]:
    return list(fit.run())


def weights(fit: Pretraining) -> dict[str, bytes]:
    return {f"{half}.{name}": t.tobytes() for half in ("encoder", "decoder") for name, t in fit.half(half).items()}


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("px", [16, 18, 21])
def test_a_reconstruction_has_the_size_of_its_photo_and_colours_between_0_and_1(norm: Norm, px: int) -> None:
    made = network(norm).eval()(torch.rand(2, 3, px, px)).detach()
    assert tuple(made.shape) == (2, 3, px, px)
    assert float(made.min()) >= 0 and float(made.max()) <= 1


def test_the_seed_alone_decides_the_first_weights() -> None:
    first, again, other = (dict(network(seed=seed).state_dict()) for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["decoder.colours.weight"], other["decoder.colours.weight"])


def test_it_learns_to_give_photos_back_and_records_every_epoch() -> None:
    fit = Pretraining(task(epochs=40, n=24, lr=1e-2, head_lr=1e-2))
    events = run_all(fit)
    records = [event for event in events if isinstance(event, Record)]
    assert len(events) == 40 * (6 + 1) and records == fit.records and fit.finished
    assert [record.epoch for record in records] == list(range(1, 41))
    first, last = records[0].val_loss, records[-1].val_loss
    assert first is not None and last is not None and last < first / 2
    assert records[-1].lr < 1e-6 and all(record.best == (i in _lowest(records)) for i, record in enumerate(records))
    assert float(fit.errors(fit.task.held_N).mean()) == pytest.approx(last)
    made = fit.reconstruct(fit.task.held_N)
    assert made.shape == (3, PX, PX, 3) and made.dtype == np.uint8
    by_hand = np.square((made / 255.0) - fit.task.pictures.read(fit.task.held_N) / 255.0).mean()
    assert by_hand == pytest.approx(last, rel=0.05)  # but for rounding to whole colours


def _lowest(records: list[Record]) -> Iterator[int]:
    lowest = math.inf
    for i, record in enumerate(records):
        assert record.val_loss is not None
        if record.val_loss < lowest:
            lowest = record.val_loss
            yield i


@pytest.mark.parametrize("stop", [0, 1, 3, 4, 7, 9, 11])
def test_a_fit_taken_up_after_any_event_ends_with_the_same_weights(tmp_path: Path, stop: int) -> None:
    def noisy() -> Pretraining:
        return Pretraining(task(noise=0.1, flip="both"))

    whole = noisy()
    run_all(whole)
    first = noisy()
    for _ in zip(range(stop), first.run(), strict=False):
        pass
    save_checkpoint(tmp_path, *first.state(), step=first.step)
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    second = noisy()
    second.load_state(saved.tensors, saved.info)
    run_all(second)
    assert weights(second) == weights(whole)
    losses = [[(r.step, r.train_loss, r.val_loss, r.lr, r.best) for r in fit.records] for fit in (whole, second)]
    assert losses[0] == losses[1]


def test_a_state_of_something_else_is_refused() -> None:
    tensors, info = Pretraining(task()).state()
    for other in (task(noise=0.1), task(n=11), task(seed=5), replace(task(), flip="none")):
        with pytest.raises(ModelError, match="other photos, settings or another network"):
            Pretraining(other).load_state(tensors, info)


def test_noise_and_flips_change_what_is_learned() -> None:
    ended = []
    for each in (task(), task(noise=0.3), task(flip="none"), task(flip="vertical")):
        fit = Pretraining(each)
        run_all(fit)
        ended.append(weights(fit)["decoder.colours.weight"])
    assert len(set(ended)) >= 3  # pictures that are alike above and below look the same upside down
    assert ended[0] != ended[1] and ended[0] != ended[2]


def test_a_loss_that_is_no_number_ends_it_with_what_to_do() -> None:
    each = task()
    with torch.no_grad():
        each.network.decoder.colours.bias.fill_(math.nan)
    with pytest.raises(TrainingError, match=r"the loss became nan in step 1 of 9 \(epoch 1\).*pretrain.lr=0.0001"):
        run_all(Pretraining(each))


def test_speed_is_measured_on_a_copy_and_keeps_what_was_asked_for() -> None:
    each = task()
    before = {name: tensor.clone() for name, tensor in each.network.state_dict().items()}
    kept = measure_speed(each, has_bf16=True)
    assert (kept.precision, kept.channels_last, kept.reasons) == ("fp32", False, ()) and kept.step_s > 0
    chosen = measure_speed(replace(each, config=config(precision="auto", channels_last="auto")), has_bf16=True)
    assert chosen.precision in ("fp32", "bf16") and len(chosen.reasons) == 2
    alone = measure_speed(replace(each, config=config(precision="auto", channels_last=True)), has_bf16=False)
    assert (alone.precision, alone.channels_last) == ("fp32", True)
    assert all(torch.equal(tensor, each.network.state_dict()[name]) for name, tensor in before.items())


def test_the_values_of_the_encoder_are_counted() -> None:
    assert Pretraining(task()).count_values() == (16 * 4 * 4, 3 * PX * PX)
