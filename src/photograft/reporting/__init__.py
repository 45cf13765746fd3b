"""Scores to a page, figures and tables."""
