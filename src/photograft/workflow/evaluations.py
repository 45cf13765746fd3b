"""What stays of each evaluation during training: a table of correct photos per class, a heat map, the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save as save_tensors

from photograft.metrics import links
from photograft.metrics.confusion import confusion_matrix
from photograft.models.catalogue import NETWORK_FILE
from photograft.reporting.confusion_png import confusion_png
from photograft.reporting.tables import confusion_csv
from photograft.tracking.run_folder import EVALUATIONS, RunFolder, name_stem
from photograft.training.judging import split_outputs
from photograft.values import Record

if TYPE_CHECKING:
    from photograft.training.loop import Fit


def keep_evaluation(run: RunFolder, fit: Fit, record: Record) -> None:
    """Write what `train.keep_evaluations` asks for into `evaluations/<fit>/step-<number>/`.

    Of each target there are `confusion.csv`, whose diagonal is correct/total, and `confusion.png`. Weights are kept
    where they are the best so far, under the names of their library, so that `model.weights` takes them, with those of
    the head beside them.
    """
    task, keep = fit.task, fit.config.keep_evaluations
    if keep == "none" or task.val is None or fit.latest_NM is None or record.val_loss is None:
        return
    keeps_weights = keep == "weights" and record.best
    if not keeps_weights and all(target.kind == "sigmoid" for target in task.targets):
        return
    folder = f"{EVALUATIONS}/{name_stem(task.name).replace(' ', '-')}/step-{record.step:06d}"
    (run.path / folder).mkdir(parents=True, exist_ok=True)
    outputs = split_outputs(fit.latest_NM, task.targets)
    for target, logits_NM, truth_N in zip(task.targets, outputs, task.val.truth, strict=True):
        if target.kind == "sigmoid":  # of several labels none is taken for another
            continue
        best_N = links.probabilities(target.kind, logits_NM).argmax(axis=1)
        confusion_KK = confusion_matrix(np.asarray(truth_N, np.int64), best_N, n_classes=len(target.classes))
        name = "confusion" if len(task.targets) == 1 else f"confusion_{name_stem(target.name)}"
        run.write(f"{folder}/{name}.csv", confusion_csv(target.classes, confusion_KK))
        run.write(f"{folder}/{name}.png", confusion_png(target.classes, confusion_KK))
    if keeps_weights:
        with fit.evaluated() as network:
            weight_DM, bias_M = network.linear_head()  # on what the network gives, as the shipped head is
            arrays = {name: tensor.numpy() for name, tensor in network.graft.state().items()}
            arrays |= {"head.weight": np.ascontiguousarray(weight_DM.T), "head.bias": bias_M}
            run.write(f"{folder}/{NETWORK_FILE}", save_tensors(arrays))
