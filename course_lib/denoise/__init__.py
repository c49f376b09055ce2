"""Part C: denoising, learnt with clean images."""
