"""Where runs and cached values live."""
