"""Settings: one section per stage, each setting written once."""

from photograft.config.load import explain, load_config, to_yaml
from photograft.config.settings import Config, Quality

__all__ = ["Config", "Quality", "explain", "load_config", "to_yaml"]
