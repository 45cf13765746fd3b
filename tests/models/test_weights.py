from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from photograft.errors import ModelError

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from photograft.models.weights import load_weights, read_weights  # noqa: E402


def network(*, classes: int = 3, width: int = 4) -> Any:
    return torch.nn.Sequential(
        *(torch.nn.Linear(width, width) for _ in range(6)), torch.nn.BatchNorm1d(width), torch.nn.Linear(width, classes)
    )


def same(a: Any, b: Any) -> bool:
    pairs = list(zip(a.state_dict().items(), b.state_dict().items(), strict=True))[:-2]
    return all(torch.equal(x, y) for (_, x), (_, y) in pairs)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "module.backbone."])
@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_weights_are_found_in_whatever_they_are_wrapped(
    tmp_path: Path, wrapper: str | None, prefix: str, ending: str
) -> None:
    source, target, file = network(), network(), tmp_path / f"내 weights.{ending}"
    tensors = {prefix + key: value for key, value in source.state_dict().items()}
    if ending == "pth":
        torch.save({wrapper: tensors, "epoch": 3} if wrapper else tensors, file)
    else:
        save_file(tensors, file)
    load_weights(target, file, name="mine", heads=["7"])
    assert same(source, target)


def test_a_head_of_other_classes_is_dropped_and_counters_may_be_missing(tmp_path: Path) -> None:
    source, target, file = network(classes=9), network(), tmp_path / "w.safetensors"
    save_file({k: v for k, v in source.state_dict().items() if not k.endswith("num_batches_tracked")}, file)
    load_weights(target, file, name="mine", heads=["7"])
    assert torch.equal(source[0].weight, target[0].weight) and target[7].weight.shape == (3, 4)


def test_tensors_that_do_not_fit_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    save_file(network(width=5).state_dict(), file)
    with pytest.raises(ModelError, match=r"do not fit mine: 0\.weight is \(5, 5\), not \(4, 4\).*and 6 more") as caught:
        load_weights(network(), file, name="mine", heads=["7"])
    assert str(caught.value).count(", not (") == 10
    save_file({"0.weight": torch.zeros(4, 4)}, file)
    with pytest.raises(ModelError, match=r"0\.bias is missing"):
        load_weights(network(), file, name="mine", heads=["7"], convert=lambda found: found)


def test_a_converter_may_rename_tensors(tmp_path: Path) -> None:
    source, target, file = network(), network(), tmp_path / "w.safetensors"
    save_file({f"other.{key}": value for key, value in source.state_dict().items()}, file)
    load_weights(
        target,
        file,
        name="mine",
        heads=["7"],
        convert=lambda found: {k.removeprefix("other."): found[k] for k in found},
    )
    assert same(source, target)


def test_files_that_are_no_weights_are_named(tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "made by the file"),)

    for number, content in enumerate([{"state_dict": Code()}, [1, 2], {"epoch": 3}]):
        file = tmp_path / f"{number}.pth"
        torch.save(content, file)
        with pytest.raises(ModelError, match=rf"{number}\.pth holds no"):
            read_weights(file)
    for name in ("text.safetensors", "text.pt", "empty.pth"):
        (tmp_path / name).write_text("" if name == "empty.pth" else "hello")
        with pytest.raises(ModelError, match=name):
            read_weights(tmp_path / name)
    assert not (tmp_path / "made by the file").exists()
