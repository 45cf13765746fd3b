"""A bundle and images to predictions; runs without torch."""
