"""Settings of training."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from photograft.config.section import Section

Positive = Annotated[float, Field(gt=0)]
Balance = Literal["none", "balanced", "sqrt", "effective", "sampled"]
Rate = Annotated[float, Field(gt=0, le=10)]


class TrainConfig(Section):
    """How the head is trained, and what follows the graft point."""

    balance: Balance = "none"
    """`balanced` weighs each class by the inverse of its size, so that small classes count as much as large ones;
    `sqrt` by the inverse square root, `effective` by the inverse of the effective number of its photos
    (`train.effective_beta`); `sampled` draws photos so that all classes come equally often."""

    effective_beta: float = Field(default=0.99, ge=0, lt=1)
    """Of `balance: effective`: a class of n photos counts as (1 - beta^n) / (1 - beta) of them."""

    logit_adjustment: Annotated[float, Field(ge=0, le=3)] | Literal["auto"] = 0.0
    """Divide probabilities by the classes' shares to this power, after training: above 0, small classes are predicted
    more often, at the cost of large ones. `auto` takes the power with the best macro-F1 on photos that the model has
    not seen."""

    strength: Positive | Literal["auto"] = "auto"
    """L2 penalty of the linear head. `auto` chooses it by cross-validation."""

    refit: Literal["train_val", "all", "none", "folds"] = "train_val"
    """What the shipped model is trained on: train and validation photos, all photos (also the test part), or train
    alone. `folds` ships the models of the folds, averaged: of linear heads this is one head again."""

    on_all: bool = False
    """The same as `refit: all`: after folds and tests, the shipped model is trained on all photos, with the settings
    and the number of epochs that were found."""

    seed: int = Field(default=0, ge=0)
    """Seed of everything random in training."""

    solver: Literal["exact", "steps"] = "exact"
    """At graft point `head`: `exact` finds the best head at once; `steps` trains it by `train.optimizer`, epoch by
    epoch, as the other graft points are trained."""

    start: Literal["linear", "zero"] = "linear"
    """What the head begins fine-tuning with: `linear`, the logistic regression on the frozen features, so that a good
    head does not tear the network apart; or `zero`."""

    blend: bool | Literal["auto"] = "auto"
    """Average the tuned network with the linear head on the frozen one, in shares that photos chose which neither has
    seen. `auto`: where a part stays frozen, so that most of the work is shared."""

    epochs: Annotated[int, Field(ge=1, le=10_000)] | Literal["auto"] = "auto"
    """Times every photo is seen in fine-tuning. `auto`: 4, 10 for `all`, 40 for `scratch`."""

    batch_size: Annotated[int, Field(ge=1, le=4096)] | Literal["auto"] = "auto"
    """Photos per step. `auto`: 32, or less where that does not fit into memory."""

    accumulate: int = Field(default=1, ge=1, le=1024)
    """Batches whose gradients are added up to one step."""

    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    """How weights follow their gradients. `sgd` has `train.momentum`."""

    lr: Rate | Literal["auto", "find"] = "auto"
    """Learning rate at its highest. `auto`: 4e-4 (`sgd`: 0.01); `find` tries rising rates for some seconds first."""

    head_lr: Rate | Literal["auto"] = "auto"
    """Learning rate of the head. `auto`: 2.5 times `train.lr`."""

    lr_decay: float = Field(default=1.0, gt=0, le=1)
    """Factor from each block to the one before it: below 1, early layers change less than late ones."""

    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of `sgd`."""

    weight_decay: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = "auto"
    """Decay of weights. Biases and BatchNorm are left out. `auto`: 0.05 for `adamw`, 1e-4 for `sgd`, none for `adam`,
    where it would be added to the gradients."""

    schedule: Literal["one-cycle", "cosine", "step", "plateau", "constant"] = "one-cycle"
    """How the learning rate changes: up and down along a cosine, down along a cosine, times `train.gamma` every
    `train.step_epochs`, times `train.gamma` when the validation loss stands still, or not at all."""

    warmup: Annotated[float, Field(ge=0, le=0.9)] | Literal["auto"] = "auto"
    """Share of all steps in which the rate rises. `auto`: 0.25 for `one-cycle`, else 0.05."""

    step_epochs: int = Field(default=10, ge=1)
    """Epochs between two steps of `schedule: step`; epochs without improvement before one of `plateau`."""

    gamma: float = Field(default=0.1, gt=0, lt=1)
    """Factor of the learning rate at each step of `step` and `plateau`."""

    clip: float = Field(default=5.0, ge=0)
    """Largest norm of the gradients; 0 leaves them as they are."""

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the target that is spread over all classes."""

    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the features that the head, and each layer of `model.hidden` but the first, does not see in a step."""

    ema: float = Field(default=0.99, ge=0, lt=1)
    """Decay of the running average of the weights, which is what is judged and shipped; 0 ships the last ones."""

    batchnorm: Literal["auto", "frozen", "moved"] = "auto"
    """Whether BatchNorm keeps the statistics it came with. `auto`: `moved` for `scratch`, else `frozen`, so that a head
    can be swapped later."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Number type of forward and backward passes. `auto`: bf16 where it was measured to be faster here, else fp32."""

    channels_last: bool | Literal["auto"] = "auto"
    """Memory layout of feature maps. `auto` takes the faster one, measured on a few steps."""

    boundary: Literal["auto", "cache", "off"] = "auto"
    """Whether the output of the frozen part is computed once per photo and view and kept on disk. `auto`: where it fits
    into `train.boundary_gb`; `off` runs the frozen part in every epoch."""

    boundary_gb: Positive = 8.0
    """Disk that cached outputs of frozen parts may take together, in gigabytes."""

    evaluate_steps: int = Field(default=0, ge=0)
    """Steps between evaluations on the validation photos, beside those after every epoch; 0 for none."""

    evaluate_from: int = Field(default=1, ge=1)
    """The first epoch in which evaluations take place, and from which on one may count as best."""

    keep_evaluations: Literal["none", "scores", "weights"] = "none"
    """What stays of every evaluation on the validation photos, in the run's folder `evaluations`: nothing, a table of
    correct photos per class with a heat map (`scores`), or also the network's weights wherever they were the best so
    far (`weights`). Of photos with several labels there is no such table."""

    best_from: float = Field(default=0.0, ge=0, le=1)
    """Validation accuracy below which no state counts as best."""

    early_stopping: int = Field(default=0, ge=0)
    """Epochs without a better validation loss (calibrated) after which training ends; 0 never ends it early."""

    time_limit: Positive | None = None
    """Minutes that training may take, as far as epochs go: fewer are planned where it would take longer."""

    checkpoint_steps: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Steps between checkpoints, from which `--resume` goes on. `auto`: after every epoch, and every minute."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.on_all and self.refit not in ("train_val", "all"):
            raise ValueError(f"train.on_all trains on all photos, and train.refit asks for {self.refit}: give one")
        if isinstance(self.epochs, int) and self.evaluate_from > self.epochs:
            raise ValueError("train.evaluate_from must not lie behind train.epochs")
        return self
