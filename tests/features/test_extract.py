from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import photograft
import photograft.data.scan
import photograft.features.engine
from photograft.contract import make_contract, picture_px, view_names, window_px
from photograft.errors import ConfigError, MissingExtraError, ModelError, PhotograftError
from photograft.features.engine import choose_engine, settle_engine
from photograft.features.engine_onnx import OnnxEngine
from photograft.features.extract import FeatureStore, embed_views, extract, merge_views, take_view
from photograft.features.matrix import Scratch, file_mapping
from photograft.models.catalogue import find_backbone
from photograft.models.networks import ensure_network
from photograft.tracking.cache import Cache, cache_folder
from photograft.values import FloatArray, PixelArray

CONTRACT = make_contract(64)
BOTH = ("whole", "whole-flipped")


class Sums:
    """An engine whose embedding shows what it was given: left half, right half; and counts its photos."""

    name = "sums"

    def __init__(self) -> None:
        self.seen: list[int] = []

    def embed(self, pixels_NHWC: PixelArray) -> FloatArray:
        """Mean of the left and of the right half."""
        self.seen.append(len(pixels_NHWC))
        halves = (pixels_NHWC[:, :, :32], pixels_NHWC[:, :, 32:])
        return np.stack([half.mean((1, 2, 3)) for half in halves], 1).astype(np.float32)


@pytest.fixture(scope="module")
def network(tiny_config: photograft.Config) -> Path:
    return ensure_network(find_backbone("efficientnet-lite0"), px=64, embedding="multi", cache_dir=cache_folder())


def store(folder: Path, views: tuple[str, ...] = BOTH, name: str = "sums") -> FeatureStore:
    return FeatureStore(Cache(folder), CONTRACT, "network", name, views)


def draw(n: int, seed: int = 0) -> PixelArray:
    return np.random.default_rng(seed).integers(0, 256, (n, 64, 64, 3), dtype=np.uint8)


def test_a_photo_alone_equals_itself_in_a_batch(network: Path) -> None:
    engine, pixels_NHWC = OnnxEngine(network), draw(37)
    together_ND = engine.embed(pixels_NHWC)
    assert together_ND.shape == (37, 2128) and together_ND.dtype == np.float32
    for i in (0, 15, 16, 36):
        assert np.abs(engine.embed(pixels_NHWC[i : i + 1])[0] - together_ND[i]).max() <= 1e-5
    assert np.abs(OnnxEngine(network, threads=1).embed(pixels_NHWC[:3]) - together_ND[:3]).max() <= 1e-4


def test_the_engine_on_a_cpu_is_onnx_runtime(network: Path) -> None:
    plan = choose_engine(find_backbone("efficientnet-lite0"), network, embedding="multi", device="cpu")
    assert list(plan.openers) == [OnnxEngine.name] and plan.open().embed(draw(1)).shape == (1, 2128)


def test_a_gpu_without_torch_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photograft.features.engine.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"model\.device: cuda.*photograft\[train\]"):
        choose_engine(find_backbone("efficientnet-lite0"), tmp_path / "x", embedding="multi", device="cuda")
    plan = choose_engine(find_backbone("efficientnet-lite0"), tmp_path / "x", embedding="multi", device="auto")
    assert list(plan.openers) == [OnnxEngine.name]


def test_torch_is_not_imported_where_all_features_are_cached(
    tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photograft.features.engine, "accelerator_hint", lambda: "cuda")
    monkeypatch.setitem(sys.modules, "photograft.features.engine_torch", None)  # importing it would fail
    plan = choose_engine(find_backbone("efficientnet-lite0"), network, embedding="multi", device="auto")
    assert list(plan.openers) == ["torch-cuda-bf16", "torch-cuda-fp16", OnnxEngine.name]
    with Cache(tmp_path) as cache:
        onnx = FeatureStore(cache, CONTRACT, "network", OnnxEngine.name, BOTH)
        extract([("a", draw(1)[0])], onnx, Sums)

        def open_store(name: str) -> FeatureStore:
            return FeatureStore(cache, CONTRACT, "network", name, BOTH)

        chosen, _ = settle_engine(plan, open_store, lambda made: made.known() == {"a"})
        assert chosen.engine_name == OnnxEngine.name
        with pytest.raises(ImportError):
            settle_engine(plan, open_store, lambda made: made.known() == {"a", "b"})


@pytest.mark.filterwarnings("ignore")  # of torch, about itself
def test_features_are_kept_under_the_name_of_the_engine_that_ran(
    tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("needs a machine without a working GPU")
    monkeypatch.setattr(photograft.features.engine, "accelerator_hint", lambda: "cuda")
    plan = choose_engine(find_backbone("efficientnet-lite0"), network, embedding="multi", device="auto")
    with Cache(tmp_path) as cache:
        chosen, engine = settle_engine(
            plan, lambda name: FeatureStore(cache, CONTRACT, "network", name, BOTH), lambda made: False
        )
        assert chosen.engine_name == engine().name == OnnxEngine.name
    asked = choose_engine(find_backbone("efficientnet-lite0"), network, embedding="multi", device="cuda")
    with pytest.raises(ConfigError, match=r"model\.device: cuda was asked for"):
        asked.open()


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelError, match=r"x\.onnx is not a network"):
        OnnxEngine(tmp_path / "x.onnx")


def test_the_flipped_view_is_the_mirror_and_views_are_averaged(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, :32] = 200
    with store(tmp_path).cache as cache:
        both = FeatureStore(cache, CONTRACT, "network", "sums", BOTH)
        assert extract([("a", pixels)], both, Sums) == 1
        for view, expected in (("whole", [200, 0]), ("whole-flipped", [0, 200])):
            assert FeatureStore(cache, CONTRACT, "network", "sums", (view,)).table(["a"]).embedding_ND.tolist() == [
                expected
            ]
        assert both.table(["a"]).embedding_ND.tolist() == [[100, 100]]
    assert merge_views(np.ones((2, 3), np.float32), 1).tolist() == [[1] * 3] * 2


def test_squares_have_the_size_that_the_picture_was_made_larger_for() -> None:
    for px in range(16, 1025):
        assert window_px(picture_px(px, "five"), "five") == px <= picture_px(px, "five") <= px * 8 / 7 + 0.5
        assert window_px(px, "whole") == picture_px(px, "whole") == px
    assert picture_px(320, "five") == 366


def test_five_squares_are_the_middle_and_the_corners() -> None:
    pixels_NHWC = draw(2)  # 64 px: squares of 56, 4 from each side in the middle
    places = [(4, 4), (0, 0), (0, 8), (8, 0), (8, 8)]
    names = view_names("five", True)
    assert names[5:] == tuple(f"{name}-flipped" for name in names[:5]) and view_names("five", False) == names[:5]
    for name, flipped, (top, left) in zip(names[:5], names[5:], places, strict=True):
        square_NHWC = take_view(pixels_NHWC, name)
        assert np.array_equal(square_NHWC, pixels_NHWC[:, top : top + 56, left : left + 56])
        assert np.array_equal(take_view(pixels_NHWC, flipped), square_NHWC[:, :, ::-1])
    assert take_view(pixels_NHWC, "whole") is pixels_NHWC and view_names("whole", True) == BOTH
    with pytest.raises(KeyError):
        take_view(pixels_NHWC, "six-0")


def test_views_of_several_photos_are_not_mixed_up() -> None:
    class Places:
        name = "places"

        def embed(self, pixels_NHWC: PixelArray) -> FloatArray:
            assert pixels_NHWC.shape[1:] == (56, 56, 3)
            return pixels_NHWC[:, 0, 0].astype(np.float32)

    pixels_NHWC, names = draw(3), view_names("five", True)
    embedding_VND = embed_views(Places(), pixels_NHWC, names)
    wanted_VND = np.stack([take_view(pixels_NHWC, name)[:, 0, 0] for name in names])
    assert embedding_VND.shape == (10, 3, 3) and np.array_equal(embedding_VND, wanted_VND)


def test_features_of_five_squares_are_kept_view_by_view(tmp_path: Path) -> None:
    made = store(tmp_path, view_names("five", False))
    with made.cache as cache:
        assert extract([("a", draw(1)[0])], made, Sums) == 1 and made.known() == {"a"}
        halves_VND = embed_views(Sums(), draw(1), made.views)
        assert np.allclose(made.table(["a"]).embedding_ND[0], halves_VND[:, 0].mean(axis=0))
        assert FeatureStore(cache, CONTRACT, "network", "sums", ("whole",)).known() == set()


def test_duplicates_are_embedded_once_and_stand_in_every_row(tmp_path: Path) -> None:
    engine, pixels_NHWC = Sums(), draw(40)
    names = [f"{i % 20}" for i in range(40)]
    made = store(tmp_path, ("whole",))
    with made.cache:
        assert extract(zip(names, pixels_NHWC[[int(n) for n in names]], strict=True), made, lambda: engine) == 20
        assert engine.seen == [16, 4]
        table = made.table([*names, "3"])
    expected_ND = Sums().embed(pixels_NHWC[[*(int(n) for n in names), 3]])
    assert np.array_equal(table.embedding_ND, expected_ND)


def test_a_large_table_is_in_a_file_that_leaves_nothing_behind(tmp_path: Path) -> None:
    made, pixels_NHWC = store(tmp_path), draw(20)
    names = [str(i) for i in range(20)]
    with made.cache:
        extract(zip(names, pixels_NHWC, strict=True), made, Sums)
        many = names * 300  # more rows than are summed at once
        small, large = made.table(many), made.table(many, scratch=Scratch(tmp_path, limit_bytes=0))
        with pytest.raises(PhotograftError, match="2 features are missing"):
            made.table([*many, "unknown"], scratch=Scratch(tmp_path, limit_bytes=0))
    assert file_mapping(small.embedding_ND) is None and file_mapping(large.embedding_ND) is not None
    assert np.array_equal(large.embedding_ND, small.embedding_ND)
    halves_ND = Sums().embed(pixels_NHWC)
    assert np.allclose(large.embedding_ND, np.tile((halves_ND + halves_ND[:, ::-1]) / 2, (300, 1)), rtol=1e-6)
    assert [path.suffix for path in tmp_path.iterdir() if path.name.startswith("matrix")] == []


def test_a_second_run_opens_no_engine(tmp_path: Path) -> None:
    first = store(tmp_path)
    with first.cache:
        extract([("a", draw(1)[0])], first, Sums)
        wanted = first.table(["a"]).embedding_ND
    second = store(tmp_path)

    def no_engine() -> Sums:
        pytest.fail("nothing is new, so no network is to be loaded")

    with second.cache:
        assert second.known() == {"a"}
        assert extract([], second, no_engine) == 0
        assert np.array_equal(second.table(["a"]).embedding_ND, wanted)


@pytest.mark.parametrize("change", ["contract", "network_id", "engine_name"])
def test_features_of_another_contract_network_or_engine_are_not_taken(tmp_path: Path, change: str) -> None:
    first = store(tmp_path)
    with first.cache as cache:
        extract([("a", draw(1)[0])], first, Sums)
        values = {"contract": CONTRACT, "network_id": "network", "engine_name": "sums"}
        values[change] = make_contract(64, crop="center") if change == "contract" else "another"
        assert FeatureStore(cache, views=BOTH, **values).known() == set()  # type: ignore[arg-type]


def test_features_of_another_decoder_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = store(tmp_path)
    with made.cache:
        extract([("a", draw(1)[0])], made, Sums)
        monkeypatch.setattr(photograft.data.scan, "DECODER_VERSION", "1+pillow99")
        assert made.known() == set()


def test_a_photo_with_one_of_two_views_is_not_known(tmp_path: Path) -> None:
    one = store(tmp_path, ("whole",))
    with one.cache as cache:
        extract([("a", draw(1)[0])], one, Sums)
        both = FeatureStore(cache, CONTRACT, "network", "sums", BOTH)
        assert one.known() == {"a"} and both.known() == set()
        with pytest.raises(PhotograftError, match="1 features are missing"):
            both.table(["a"])


def test_features_stay_in_memory_where_the_cache_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    made = store(tmp_path / "cache")
    with made.cache as cache:
        extract(zip("abc", draw(3), strict=True), made, Sums)
        assert made.table(list("cab")).embedding_ND.shape == (3, 2)
        assert "cannot be used" in cache.warning


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch, about itself
def test_torch_gives_roughly_what_onnx_runtime_gives(network: Path) -> None:
    pytest.importorskip("torch")
    from photograft.features.engine_torch import TorchEngine

    engine = TorchEngine(find_backbone("efficientnet-lite0"), embedding="multi", device="cpu")
    assert engine.name == "torch-cpu-bf16"
    a, b = engine.embed(draw(4)), OnnxEngine(network).embed(draw(4))
    cosine_N = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert a.dtype == np.float32 and a.shape == b.shape and cosine_N.min() > 0.99
