"""Adversaries as transport: Gibbs plans, free energies, bottleneck and internal distances."""
