"""A study as `build_study` gives it: sweeps, random weights, a failure, pretraining, curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from photograft.config.recipe import Recipe
from photograft.evaluation.paired import Comparison
from photograft.reporting.study_document import build_study, comparison_row, variant_row
from photograft.reporting.training import summary_document

from .training_examples import make_training

LONG = "a_recipe_with_a_very_long_name_without_any_space_in_it_at_all"
PRETRAINED: dict[str, Any] = {
    "epochs": 6, "seconds": 90.0, "photos": {"train": 400, "held_out": 44},
    "errors": {
        "model": {"mse": 0.012, "mse_low": 0.01, "mse_high": 0.014, "psnr_db": 19.2}, "mean_colour": {"mse": 0.06},
    },
}  # fmt: skip


REFUSED = (
    "x and y judged 3 of the same photos, and fewer than 10 tell nothing: take more photos, or the same split for both "
    "(split.file)."
)


def make_recipe(name: str = "flowers-small-cnn", **changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "name": name, "system": "flowers", "command": f"photograft recipes run {name} --data flowers/",
        "reproduces": "model 1, a small CNN from random weights", "source": "test accuracy 0.6948, loss 0.7827",
        "verb": "train", "data": "one folder per kind", "needs": "", "against": (), "sweep": None, "twin": "",
        "expected": "accuracy 0.71 (0.67 to 0.75)", "took": "", "text": "", "file": Path("x.yaml"),
    }  # fmt: skip
    return Recipe(**values | changes)


def make_report(accuracy: float, *, epochs: int = 0, classes: int = 5) -> dict[str, Any]:
    """The parts of report.json that a study reads; without epochs, of a linear head."""
    scores = {"n": 736, "accuracy": accuracy, "accuracy_low": accuracy - 0.03, "accuracy_high": accuracy + 0.03}
    records = [
        {"fit": "train", "epoch": float(e), "step": e, "train_loss": 1 / e, "val_loss": 1.6 * accuracy**e + 0.4,
         "val_accuracy": accuracy * (1 - 0.6**e), "lr": 1e-3, "best": e == epochs, "seconds": 1.0}
        for e in range(1, epochs + 1)
    ]  # fmt: skip
    training = {"training": {"summary": summary_document(make_training().summary), "records": records}}
    return {
        "evaluations": [
            {
                "what": "test",
                "classes": [*range(classes)],
                "scores": {**scores, "macro_f1": accuracy - 0.01, "log_loss": 0.7},
            }
        ],
        "photos": {"used": 3670},
        "seconds": {"scan": 30.0, "train": 216.0},
        "split": {"statement": "No group crosses parts."},
        **(training if epochs else {}),
    }


def make_study(n: int = 12, **changes: Any) -> dict[str, Any]:
    recipes = [make_recipe(f"flowers-variant-{i}") for i in range(n)]
    rows = [
        variant_row(recipe, title=f"{recipe.name} lr=1e-{i}", run=f"2026-11-22-{i}",
                    report=make_report(0.5 + 0.04 * i, epochs=4 + i))
        for i, recipe in enumerate(recipes)
    ]  # fmt: skip
    vgg = make_recipe("flowers-vgg16", twin="flowers-lite0-frozen", reproduces="튤립 <b>& rose</b>")
    how = (
        "the weights of vgg16 are not on this machine: run `hf download timm/vgg16.tv_in1k "
        "model.safetensors` (hf comes with timm), or bring model.safetensors from another machine and set "
        "model.weights=FILE."
    )
    rows += [
        variant_row(vgg, title="flowers-vgg16 (random weights)", missing=how, run="r", report=make_report(0.24)),
        variant_row(make_recipe(LONG), title=LONG, error="data.boxes: <script>no boxes</script>"),
        variant_row(make_recipe("p-pretrain", verb="pretrain"), title="p-pretrain", run="p", pretraining=PRETRAINED),
    ]
    numbers = {"n": 736, "accuracy_a": 0.9, "accuracy_b": 0.87, "macro_f1_difference": 0.03, "macro_f1_low": 0.005,
               "macro_f1_high": 0.055, "only_a": 40, "only_b": 18, "p": 0.0051, "same_classes": True}  # fmt: skip
    better = Comparison(a="flowers-a", b="flowers-b", difference=-0.03, low=-0.052, high=-0.008, **numbers)
    same = Comparison(a="flowers-a", b="튤립", difference=0.01, low=-0.02, high=0.04, **numbers)
    other = Comparison(a=LONG, b="flowers-b", difference=0.03, low=0.008, high=0.052,
                       **numbers | {"same_classes": False})  # fmt: skip
    values: dict[str, Any] = {
        "study": "flowers", "data": "나의 꽃", "created": "2026-11-22T10:00:00+00:00", "assignments": (),
        "planned": len(rows), "variants": rows,
        "comparisons": [
            comparison_row("flowers-a", "flowers-b", better),
            comparison_row("flowers-a", "튤립", same),
            comparison_row(LONG, "flowers-b", other),
            comparison_row("x", "y", REFUSED),
        ],
    }  # fmt: skip
    return build_study(**values | changes)
