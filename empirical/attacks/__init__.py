"""Attacks: upper bounds on the distance to the nearest misclassified point."""
