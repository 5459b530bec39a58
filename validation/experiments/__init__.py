"""The list of experiments; one file per subject of the theory."""

from __future__ import annotations

from validation.experiment import Experiment
from validation.experiments import (
    bottleneck,
    classifiers,
    exact_networks,
    explicit,
    gaussian_samples,
    gibbs,
    grid,
    images,
    internal,
    latent,
    latents,
    models,
    own_data,
    propagation,
    risk,
    similarity,
    three_classes,
    trained_images,
    trained_risk,
    training,
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
    *training.EXPERIMENTS,
    *propagation.EXPERIMENTS,
    *similarity.EXPERIMENTS,
    *grid.EXPERIMENTS,
    *gibbs.EXPERIMENTS,
    *bottleneck.EXPERIMENTS,
    *internal.EXPERIMENTS,
)
