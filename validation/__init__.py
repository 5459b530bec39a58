"""Experiments, verdicts, runs and reports; the command `validate`."""
