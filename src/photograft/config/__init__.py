"""Settings: one section per stage, each setting written once."""

from photograft.config.explain import Explanation, all_settings, explain
from photograft.config.load import Loaded, load_config, load_with_origins
from photograft.config.settings import Config, Quality
from photograft.config.written import as_document, to_yaml

__all__ = [
    "Config",
    "Explanation",
    "Loaded",
    "Quality",
    "all_settings",
    "as_document",
    "explain",
    "load_config",
    "load_with_origins",
    "to_yaml",
]
