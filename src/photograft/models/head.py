"""The network that is fine-tuned: a graft with a linear head on its standardised embedding.

Shape letters: N photos, D embedding size, M outputs of the head.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from photograft.models.graft import Graft
from photograft.values import FloatArray


class GraftedNetwork(nn.Module):  # type: ignore[misc]  # torch is not analysed: it takes mypy minutes
    """Boundary values or pixels to logits.

    The head sees (embedding - mean_D) / std_D, fixed from the beginning: features of several stages differ in scale,
    and a head on the raw ones would learn at very uneven rates. `head` is a raw linear head to begin with
    (weight (D, M), bias (M,)), or None for zeros; of several targets those of each stand side by side.

    In training mode dropout acts, with torch's global generator, and the statistics of BatchNorm move if the graft
    says so. With `with_front` the frozen front runs in every forward pass: the slow way to the same.
    """

    def __init__(
        self,
        graft: Graft,
        *,
        n_outputs: int,
        mean_D: FloatArray,
        std_D: FloatArray,
        head: tuple[FloatArray, FloatArray] | None,
        dropout: float,
        with_front: bool,
    ) -> None:
        super().__init__()
        self.graft = graft
        self.front = graft.front if with_front else None
        self.tail = graft.tail
        self.register_buffer("mean_D", torch.tensor(mean_D, dtype=torch.float32))
        self.register_buffer("std_D", torch.tensor(std_D, dtype=torch.float32))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(len(mean_D), n_outputs)
        weight_MD = np.zeros((n_outputs, len(mean_D)))
        bias_M = np.zeros(n_outputs)
        if head is not None:
            weight_DM, raw_bias_M = (np.asarray(each, dtype=np.float64) for each in head)
            weight_MD = (weight_DM * np.asarray(std_D, dtype=np.float64)[:, None]).T
            bias_M = raw_bias_M + np.asarray(mean_D, dtype=np.float64) @ weight_DM
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(weight_MD))
            self.head.bias.copy_(torch.from_numpy(bias_M))

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        """Logits (N, M) for boundary values, or for pixels (N, px, px, 3) of 0 to 255 where the front runs too."""
        if self.front is not None:
            with torch.no_grad():
                values = self.front(*values)
        else:
            # Kept values are float16; the graph begins with float32.
            values = tuple(value.float() if value.dtype == torch.float16 else value for value in values)
        embedding_ND = self.tail(*values)
        return self.head(self.dropout((embedding_ND.float() - self.mean_D) / self.std_D))

    def train(self, mode: bool = True) -> GraftedNetwork:
        """Training mode or evaluation mode, also of BatchNorm in the graph, which has no modules."""
        super().train(mode)
        self.graft.set_moving(mode)
        return self

    def linear_head(self) -> tuple[FloatArray, FloatArray]:
        """The head on the raw embedding: logits = embedding @ weight_DM + bias_M, float32."""
        weight_MD, bias_M, mean_D, std_D = (
            each.detach().cpu().double().numpy() for each in (self.head.weight, self.head.bias, self.mean_D, self.std_D)
        )
        weight_DM = (weight_MD / std_D).T
        return weight_DM.astype(np.float32), (bias_M - mean_D @ weight_DM).astype(np.float32)
