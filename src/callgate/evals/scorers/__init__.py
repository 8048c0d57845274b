"""Scorers: each judges one side of what a model did, for itself."""
