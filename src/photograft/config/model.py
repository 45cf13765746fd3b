"""Settings of the network and where it is cut."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from photograft.config.augment import AugmentConfig
from photograft.config.section import Section
from photograft.config.train import Balance

Triple = tuple[float, float, float]
_GRAFT = r"auto|head|last-block|blocks:[1-9][0-9]*|layer:[^\s:]+|all|scratch"


Graft = Annotated[str, Field(pattern=f"^({_GRAFT})$")]


def _as_text(width: object) -> object:
    return str(width) if type(width) is int else width


Hidden = Annotated[str, Field(pattern=r"^([1-9][0-9]{0,4}|[1-9][0-9]{0,4} batchnorm)$"), BeforeValidator(_as_text)]
Loss = Literal["auto", "cross-entropy", "binary", "ordinal"]


class FactorConfig(Section):
    """What is different for one factor, in the place of NAME; what is not given is as for all."""

    loss: Loss = "auto"
    """`cross-entropy`, `binary` (cross-entropy of one output, for two classes) or `ordinal` (for classes in their
    order). `auto`: by the classes."""

    balance: Balance | None = None
    """As `train.balance`."""

    graft: Graft | None = None
    """As `model.graft`; with `model.labels: models`."""

    px: Annotated[int, Field(ge=64, le=1024)] | None = None
    """As `input.px`; with `model.labels: models`."""

    augment: AugmentConfig = AugmentConfig()
    """As the section `augment`; with `model.labels: models`. What is given replaces what stands there."""


class ModelConfig(Section):
    """The pretrained network and what is trained of it."""

    backbone: str = "efficientnet-lite0"
    """The network: `efficientnet-lite0`, `efficientnet-lite1` or `efficientnet-lite2`, which come with weights;
    `timm:NAME` or `torchvision:NAME`; `run:PATH` for the network of another run; `densenet:FILE.json` for a DenseNet of
    other sizes; `cnn:16-32-64` for a plain one of convolutions of that many channels, and `autoencoder:32x5` for the
    encoder of `photograft pretrain`, both to be trained from random weights. `photograft backbones list` shows
    names."""

    weights: Literal["random"] | Path | None = None
    """File of weights for a network of timm or torchvision, or a DenseNet (.safetensors, .pth, .pt); by default the
    published ones, where they are on this machine. `random` takes random ones, also for what is frozen: to try an
    architecture without its weights."""

    pool: Literal["own", "average"] = "own"
    """`own` ends the network as it was made; `average` takes the mean of its last feature map, without the dense layers
    that some networks (VGG, AlexNet) have before their classes."""

    hidden: tuple[Hidden, ...] = ()
    """Widths of dense layers between the network and the last layer, each with ReLU behind it: `[1000]`, or
    `["32 batchnorm", 32]` with BatchNorm behind the first. They are trained by steps, and at graft point `head` they
    and the last layer are all that trains."""

    mean: Triple | None = None
    """Mean of the colours (R, G, B; 0 to 1) that the weights were trained with, where it differs from the network's
    usual one."""

    std: Triple | None = None
    """Standard deviation of the colours that the weights were trained with; belongs to `model.mean`."""

    graft: Graft = "auto"
    """Where the network is cut: everything before is frozen. `head` trains a linear classifier on its features;
    `last-block`, `blocks:N` (the last N) and `layer:NAME` also train what follows, `all` everything, `scratch`
    everything from random weights. `auto`: `head`, and `blocks:2` at quality `best`."""

    embedding: Literal["multi", "last"] = "multi"
    """`multi` pools several stages beside the last one, at no extra forward cost, where the network gives them;
    `last` uses the last one alone."""

    labels: Literal["flat", "heads", "models"] = "flat"
    """With `data.labels.factors`: `flat` learns every combination as a class of its own, `heads` one head per factor on
    one network, `models` one model per factor. The last two multiply the factors' probabilities, so that combinations
    without a photo are possible too."""

    factors: dict[str, FactorConfig] = Field(default={})
    """What is different for single factors, by name: `model.factors.age.balance`."""

    loss: Loss = "auto"
    """Without factors, or with `flat`: `cross-entropy`, `binary` for two classes, or `ordinal` for classes in
    `data.labels.order`. `auto`: ordinal where there is an order, else cross-entropy."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where features are computed. `auto` takes a GPU that torch can use, else ONNX Runtime on the CPU."""

    @model_validator(mode="after")
    def _names_mean_and_std_together(self) -> Self:
        if (self.mean is None) != (self.std is None):
            raise ValueError("model.mean and model.std belong together: give both or none")
        if self.std is not None and min(self.std) <= 0:
            raise ValueError("model.std must be positive")
        return self
