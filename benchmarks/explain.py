"""How far heat maps can be trusted: hide what they mark, show what they mark, and see what the model says.

    python benchmarks/explain.py RUN PHOTOS [--photos 60] [--json FILE] [--methods cam,occlusion,gradient]

Deletion hides the squares of a photo from the hottest to the coldest behind its mean colour, insertion shows them in
this order before a strongly blurred photo (V. Petsiuk et al., RISE, BMVC 2018); the areas are the mean probabilities of
the predicted class on the way. Deletion should be low, insertion high. `random` orders are drawn, `centre` takes the
middle first, whatever the photo shows.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from photograft.data.inputs import expand_inputs
from photograft.data.pool import DecodePool
from photograft.features.engine_maps import MapEngine
from photograft.inference.classifier import load
from photograft.inference.evidence import chances, questions_about
from photograft.inference.heat_maps import HeatMap, class_activation, empty_picture, look
from photograft.inference.occlusion import CHECK_CELLS, Coverings, cell_means, cover_cells, occlude
from photograft.workflow.explain import run_of
from photograft.workflow.gradient import GradientMaps

_SHARES = np.array([0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("photos_dir", metavar="PHOTOS")
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--methods", default="cam,occlusion,gradient")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    paths = list(expand_inputs([given.photos_dir]))
    rng = np.random.default_rng(given.seed)
    chosen = [paths[i] for i in rng.permutation(len(paths))[: given.photos]]
    result = measure(given.run, chosen, given.methods.split(","), rng)
    for line in table(result):
        print(line)
    if given.json:
        given.json.write_text(json.dumps(result, indent=1))


def measure(run: Path, paths: list[str], methods: list[str], rng: np.random.Generator) -> dict:
    names = [*methods, "random", "centre"]
    found = {name: {"deletion": [], "insertion": [], "seconds": []} for name in names}
    with load(run) as model:
        bundle = model.bundle
        engines = {key: MapEngine(path) for key, path in bundle.networks.items()}
        pools = {key: DecodePool(contract, workers=1) for key, contract in bundle.contracts.items()}
        gradient = GradientMaps(bundle, run_of(run)) if "gradient" in methods else None
        for path in paths:
            (prediction,) = model.predict_each([path])
            if prediction.label is None:
                continue
            pixels = {key: pool.decode(Path(path).read_bytes()).pixels for key, pool in pools.items()}
            question = questions_about(prediction, bundle)[0]
            seen = look(bundle, engines, pixels)
            blurred, plain = (Coverings(bundle, engines, pixels, fill=fill) for fill in ("blurred", "mean"))
            for name in names:
                started = time.perf_counter()
                if name == "cam":
                    heat = class_activation(
                        question, bundle, look(bundle, engines, pixels), look(bundle, engines, empty_picture(pixels))
                    )
                elif name == "occlusion":
                    (heat,) = occlude([question], blurred)
                elif name == "gradient":
                    heat = gradient.heat_map(question, seen, pixels)
                else:
                    heat = None
                found[name]["seconds"].append(time.perf_counter() - started)
                order = order_of(heat, name, rng)
                found[name]["deletion"].append(area(order, question, plain, insert=False))
                found[name]["insertion"].append(area(order, question, blurred, insert=True))
        for pool in pools.values():
            pool.close()
    return {"photos": len(found["random"]["deletion"]), "run": run.name, "methods": found}


def order_of(heat: HeatMap | None, name: str, rng: np.random.Generator) -> np.ndarray:
    n = CHECK_CELLS
    if heat is not None:
        return np.argsort(-cell_means(heat.evidence_GG, n).ravel(), kind="stable")
    if name == "random":
        return rng.permutation(n * n)
    y, x = np.mgrid[0:n, 0:n] - (n - 1) / 2
    return np.argsort((y**2 + x**2).ravel(), kind="stable")


def area(order: np.ndarray, question, coverings: Coverings, *, insert: bool) -> float:
    counts = (_SHARES * len(order)).round().astype(int)
    covered = np.stack([cover_cells(order[count:] if insert else order[:count], CHECK_CELLS) for count in counts])
    (odds_N,) = coverings.log_odds([question], covered)
    return float(np.trapezoid(chances(odds_N), _SHARES))


def table(result: dict) -> list[str]:
    methods = result["methods"]
    lines = [
        f"{result['photos']} photos, {result['run']}",
        "",
        "| method | deletion (low) | insertion (high) | deletion below random, 95 % | seconds per photo |",
        "|---|--:|--:|--:|--:|",
    ]
    random = np.array(methods["random"]["deletion"])
    for name, values in methods.items():
        deletion = np.array(values["deletion"])
        gain = random - deletion
        half = 1.96 * gain.std(ddof=1) / np.sqrt(len(gain))
        gained = "" if name == "random" else f"{gain.mean():+.3f} ± {half:.3f}"
        seconds = np.median(values["seconds"]) if name not in ("random", "centre") else 0.0
        insertion = np.mean(values["insertion"])
        lines.append(f"| {name} | {deletion.mean():.3f} | {insertion:.3f} | {gained} | {seconds:.2f} |")
    return lines


if __name__ == "__main__":
    main()
