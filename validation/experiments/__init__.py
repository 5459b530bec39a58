"""The list of experiments; one file per subject of the theory."""

from __future__ import annotations

from validation.experiment import Experiment
from validation.experiments import (
    classifiers,
    exact_networks,
    explicit,
    gaussian_samples,
    grid,
    images,
    latent,
    latents,
    models,
    own_data,
    risk,
    three_classes,
    trained_images,
    trained_risk,
    transfer,
)

EXPERIMENTS: tuple[Experiment, ...] = (
    *latent.EXPERIMENTS,
    *exact_networks.EXPERIMENTS,
    *explicit.EXPERIMENTS,
    *transfer.EXPERIMENTS,
    *images.EXPERIMENTS,
    *trained_images.EXPERIMENTS,
    *latents.EXPERIMENTS,
    *models.EXPERIMENTS,
    *risk.EXPERIMENTS,
    *gaussian_samples.EXPERIMENTS,
    *own_data.EXPERIMENTS,
    *three_classes.EXPERIMENTS,
    *classifiers.EXPERIMENTS,
    *trained_risk.EXPERIMENTS,
    *grid.EXPERIMENTS,
)
