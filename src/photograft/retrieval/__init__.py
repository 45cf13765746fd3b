"""Vectors of photos, and the nearest of them."""
