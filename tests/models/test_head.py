from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from photograft.models.backbone import untrained_embedder  # noqa: E402
from photograft.models.graft import Graft, graft  # noqa: E402
from photograft.models.head import GraftedNetwork  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch and timm, about themselves

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def cut() -> Graft:
    torch.manual_seed(0)
    return graft(untrained_embedder("timm:test_resnet", px=64), "last-block", px=64, batchnorm="moved")


def grafted(cut: Graft, **changes: Any) -> GraftedNetwork:
    mean_D, std_D = RANDOM.normal(size=576).astype(np.float32), RANDOM.uniform(0.5, 2, 576).astype(np.float32)
    head = (RANDOM.normal(size=(576, 4)).astype(np.float32), RANDOM.normal(size=4).astype(np.float32))
    chosen = {"n_outputs": 4, "mean_D": mean_D, "std_D": std_D, "head": head, "dropout": 0.0, "with_front": False}
    return GraftedNetwork(cut, **{**chosen, **changes})


def pixels() -> Any:
    return torch.randint(0, 256, (5, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_it_begins_with_the_head_it_was_given_and_gives_it_back(cut: Graft) -> None:
    head = (RANDOM.normal(size=(576, 4)).astype(np.float32), RANDOM.normal(size=4).astype(np.float32))
    network = grafted(cut, head=head).eval()
    assert cut.front is not None
    with torch.no_grad():
        values = cut.front(pixels())
        embedding_ND = cut.tail(*values).numpy()
        logits_NK = network(*values).numpy()
    np.testing.assert_allclose(logits_NK, embedding_ND @ head[0] + head[1], rtol=1e-4, atol=1e-4)
    for found, given in zip(network.linear_head(), head, strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, given, rtol=1e-4, atol=1e-5)


def test_a_changed_head_is_folded_with_the_standardisation(cut: Graft) -> None:
    network = grafted(cut, head=None).eval()
    assert not any(each.any() for each in network.linear_head())
    with torch.no_grad():
        network.head.weight.normal_()
        network.head.bias.normal_()
        assert cut.front is not None
        values = cut.front(pixels())
        embedding_ND, logits_NK = cut.tail(*values).numpy(), network(*values).numpy()
    weight_DK, bias_K = network.linear_head()
    np.testing.assert_allclose(embedding_ND @ weight_DK + bias_K, logits_NK, rtol=1e-3, atol=1e-3)


def test_the_naive_way_is_the_same(cut: Graft) -> None:
    network = grafted(cut).eval()
    naive = grafted(cut, with_front=True).eval()
    naive.load_state_dict(network.state_dict(), strict=False)
    assert cut.front is not None
    with torch.no_grad():
        values = cut.front(pixels())
        assert torch.equal(naive(pixels()), network(*values))
        halves = network(*(value.half() for value in values))
        assert torch.allclose(halves, network(*values), rtol=1e-2, atol=1e-1) and halves.dtype == torch.float32


def test_photos_may_be_blended_where_everything_trains() -> None:
    network = grafted(graft(untrained_embedder("timm:test_resnet", px=64), "all", px=64, batchnorm="frozen")).eval()
    with torch.no_grad():
        assert torch.allclose(network(pixels().float()), network(pixels()))
        assert torch.isfinite(network(0.5 * pixels() + 0.5 * pixels().flip(0))).all()


def test_dropout_and_statistics_follow_the_mode(cut: Graft) -> None:
    network = grafted(cut, dropout=0.5)
    assert cut.front is not None
    with torch.no_grad():
        values = cut.front(pixels())

        def run(mode: bool, seed: int) -> Any:
            network.train(mode)
            torch.manual_seed(seed)
            return network(*values)

        assert torch.equal(run(True, 0), run(True, 0)) and not torch.equal(run(True, 0), run(True, 1))
        assert torch.equal(run(False, 0), run(False, 1))
        before = cut.state()
        run(False, 0)
        name = "layer4.0.bn1.running_mean"
        assert torch.equal(cut.state()[name], before[name])
        run(True, 0)
        assert not torch.equal(cut.state()[name], before[name])
