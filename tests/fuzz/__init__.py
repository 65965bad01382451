"""Hostile input, made up by hypothesis: see CONTRIBUTING.rst for a long run."""
