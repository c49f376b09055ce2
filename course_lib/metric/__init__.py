"""Part A: learning to compare images."""
