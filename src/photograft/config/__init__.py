"""Settings: one section per stage, each setting written once."""

from photograft.config.explain import Explanation, all_settings, explain
from photograft.config.load import Loaded, load_config, load_with_origins, to_yaml
from photograft.config.settings import Config, Quality

__all__ = [
    "Config",
    "Explanation",
    "Loaded",
    "Quality",
    "all_settings",
    "explain",
    "load_config",
    "load_with_origins",
    "to_yaml",
]
