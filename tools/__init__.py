"""Build steps that `make` calls."""
