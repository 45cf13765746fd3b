"""Scores in pure NumPy."""
