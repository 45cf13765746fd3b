"""Settings of the network and where it is cut."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from photograft.config.section import Section

Triple = tuple[float, float, float]
_GRAFT = r"auto|head|last-block|blocks:[1-9][0-9]*|layer:[^\s:]+|all|scratch"


class ModelConfig(Section):
    """The pretrained network and what is trained of it."""

    backbone: str = "efficientnet-lite0"
    """The pretrained network: `efficientnet-lite0`, `efficientnet-lite1` or `efficientnet-lite2`; `timm:NAME` or
    `torchvision:NAME`; `run:PATH` for the network of another run. `photograft backbones list` shows names."""

    weights: Path | None = None
    """File of weights for a network of timm or torchvision (.safetensors, .pth, .pt). By default the published ones,
    where they are on this machine."""

    mean: Triple | None = None
    """Mean of the colours (R, G, B; 0 to 1) that the weights were trained with, where it differs from the network's
    usual one."""

    std: Triple | None = None
    """Standard deviation of the colours that the weights were trained with; belongs to `model.mean`."""

    graft: Annotated[str, Field(pattern=f"^({_GRAFT})$")] = "auto"
    """Where the network is cut: everything before is frozen. `head` trains a linear classifier on its features;
    `last-block`, `blocks:N` (the last N) and `layer:NAME` also train what follows, `all` everything, `scratch`
    everything from random weights. `auto`: `head`, and `blocks:2` at quality `best`."""

    embedding: Literal["multi", "last"] = "multi"
    """`multi` pools several stages beside the last one, at no extra forward cost, where the network gives them;
    `last` uses the last one alone."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where features are computed. `auto` takes a GPU that torch can use, else ONNX Runtime on the CPU."""

    @model_validator(mode="after")
    def _names_mean_and_std_together(self) -> Self:
        if (self.mean is None) != (self.std is None):
            raise ValueError("model.mean and model.std belong together: give both or none")
        if self.std is not None and min(self.std) <= 0:
            raise ValueError("model.std must be positive")
        return self
