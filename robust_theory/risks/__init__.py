"""Adversarial risk of samples and of laws: the least that any classifier has, and its parts."""
