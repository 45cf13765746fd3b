"""From tuned states of a network to the one network with one head per target that is shipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save as save_tensors

from photograft.evaluation.blend import Blend
from photograft.features.boundary_store import BoundaryStore
from photograft.models.catalogue import NETWORK_FILE, find_run_backbone
from photograft.models.device import return_memory
from photograft.models.networks import ensure_stack, read_outputs, stack_id
from photograft.tracking.run_folder import RunFolder
from photograft.training.linear import LinearHead, mean_head
from photograft.values import IntArray
from photograft.workflow.grafting import Grafting
from photograft.workflow.members import Learnt, Member
from photograft.workflow.ship import Model
from photograft.workflow.views import Views


@dataclass(frozen=True)
class Tuning:
    """A member that is to be fine-tuned, with room for what its frozen part gives, and where its files go.

    `folder` holds settings and weights; `prefix` stands before the names of its fits, empty where it is the only one.
    """

    member: Member
    grafting: Grafting
    views: Views
    store: BoundaryStore | None
    folder: RunFolder
    prefix: str


@dataclass(frozen=True)
class State:
    """A tuned network: its weights by the names of its library, the heads on its embedding, and what it saw."""

    tensors: dict[str, np.ndarray[Any, Any]]
    heads: tuple[LinearHead, ...]
    rows: IntArray


def export_states(
    tuning: Tuning, learnt: Learnt, states: Sequence[State], shares: tuple[Blend, ...] | None, *, cache_dir: Path
) -> Model:
    """Write the weights into the member's folder, and export them as one network.

    With `shares` the linear heads on the frozen network are averaged with the tuned ones, for each target.
    """
    member, graft, folder = tuning.member, tuning.grafting.graft, tuning.folder
    names = [NETWORK_FILE] if len(states) == 1 else [f"fold-{i + 1}.safetensors" for i in range(len(states))]
    for name, state in zip(names, states, strict=True):
        folder.write(name, save_tensors(state.tensors))
    return_memory()  # the export takes more than a gigabyte in a process of its own
    px, kept = member.px, member.config.model.embedding
    tuned = [find_run_backbone(folder.path, cache_dir=cache_dir, file=name) for name in names]
    frozen = None if shares is None else member.backbone
    network = ensure_stack(frozen, tuned, px=px, embedding=kept, cache_dir=cache_dir)
    heads = [_stacked(heads) for heads in zip(*(state.heads for state in states), strict=True)]
    if shares is not None:
        linear = zip(*(member.linear_on(learnt, state.rows) for state in states), strict=True)
        heads = [_joined(share, mean_head(each), head) for share, each, head in zip(shares, linear, heads, strict=True)]
    return Model(
        network=network,
        network_id=stack_id(frozen, tuned, px=px, embedding=kept),
        weights_sha256=tuned[0].weights_sha256,
        outputs=read_outputs(network),
        heads=tuple(heads),
        cut=graft.point,
        batchnorm=graft.batchnorm,
    )


def _joined(share: Blend, linear: LinearHead, tuned: LinearHead) -> LinearHead:
    """One head on both embeddings, that of the frozen network first."""
    weight_DM = np.concatenate([share.linear * linear.weight_DK, share.tuned * tuned.weight_DK])
    bias_M = share.linear * linear.bias_K + share.tuned * tuned.bias_K
    return LinearHead(weight_DM.astype(np.float32), bias_M.astype(np.float32))


def _stacked(heads: Sequence[LinearHead]) -> LinearHead:
    """The mean of the logits of several networks' heads, as one head on their embeddings one after the other."""
    weight_DM = np.concatenate([head.weight_DK for head in heads]) / len(heads)
    bias_M = np.mean([head.bias_K for head in heads], axis=0)
    return LinearHead(weight_DM.astype(np.float32), bias_M.astype(np.float32))
