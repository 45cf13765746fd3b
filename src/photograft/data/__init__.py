"""Files to manifest, pixels and splits."""
