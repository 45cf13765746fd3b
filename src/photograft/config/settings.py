"""All sections together."""

from __future__ import annotations

from typing import Literal

from photograft.config.augment import AugmentConfig
from photograft.config.cache import CacheConfig
from photograft.config.data import DataConfig
from photograft.config.ensemble import EnsembleConfig
from photograft.config.input import InputConfig
from photograft.config.model import ModelConfig
from photograft.config.predict import PredictConfig
from photograft.config.pretrain import PretrainConfig
from photograft.config.report import ReportConfig
from photograft.config.scale import ScaleConfig
from photograft.config.section import Section
from photograft.config.split import SplitConfig
from photograft.config.track import TrackConfig
from photograft.config.train import TrainConfig

Quality = Literal["fast", "good", "best"]


class Config(Section):
    """Every setting of photograft, in sections."""

    quality: Quality = "good"
    """Level that the `auto` settings follow: `fast` (224 px, one view), `good`, or `best` (also trains the last two
    blocks of the network, in minutes)."""

    data: DataConfig = DataConfig()
    """Which files are read and how much damage is tolerated."""

    split: SplitConfig = SplitConfig()
    """How photos are divided into parts and folds."""

    input: InputConfig = InputConfig()
    """What the network sees of a photo."""

    model: ModelConfig = ModelConfig()
    """The pretrained network and what is trained of it."""

    augment: AugmentConfig = AugmentConfig()
    """How training photos are changed in fine-tuning."""

    train: TrainConfig = TrainConfig()
    """How the head is trained, and what follows the graft point."""

    pretrain: PretrainConfig = PretrainConfig()
    """How `photograft pretrain` trains an autoencoder on photos without labels."""

    ensemble: EnsembleConfig = EnsembleConfig()
    """Several models that predict together."""

    predict: PredictConfig = PredictConfig()
    """When a finished model says that it is not sure, or that a photo is unfamiliar."""

    report: ReportConfig = ReportConfig()
    """What the report shows."""

    track: TrackConfig = TrackConfig()
    """Where else a finished run is kept, beside its folder."""

    cache: CacheConfig = CacheConfig()
    """Where features and scan results are kept between runs."""

    scale: ScaleConfig = ScaleConfig()
    """How `train --on ray` keeps features, and when they are too many for memory."""
