"""Wasserstein distances of images, and what smoothing certifies in them."""
