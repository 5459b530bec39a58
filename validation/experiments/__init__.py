"""The list of experiments; one file per subject, named as the module of the theory it tests."""

from __future__ import annotations

from validation.experiment import Experiment
from validation.experiments import latent, models

EXPERIMENTS: tuple[Experiment, ...] = (
    latent.FOOLING_PROBABILITY_ON_EXACT_MODELS,
    latent.LOG_TAIL_ON_EXACT_MODELS,
    latent.FOOLING_QUANTILE_ON_EXACT_MODELS,
    latent.EXPECTED_RADIUS_ON_EXACT_MODELS,
    latent.FOOLING_PROBABILITY_OF_TRAINED_NETWORKS,
    latent.FOOLING_QUANTILE_OF_TRAINED_NETWORKS,
    latent.EXPECTED_RADIUS_OF_TRAINED_NETWORKS,
    models.HALF_SPACE_LAW,
    models.SIMPLEX_LAW,
    models.SIMPLEX_EXPECTED_RADIUS,
    models.CHECKERBOARD_LAW,
    models.CHECKERBOARD_EXPECTED_RADIUS,
    models.CHECKERBOARD_PAPER_BOUND,
)
