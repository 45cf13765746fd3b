"""Pixels to embeddings."""
