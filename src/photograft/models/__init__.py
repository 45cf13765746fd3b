"""Names to networks to bundles."""
