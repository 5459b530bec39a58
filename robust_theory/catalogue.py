"""The one list of claims; a new theorem adds a line."""

from robust_theory import latent, models
from robust_theory.claim import Claim

CLAIMS: tuple[Claim, ...] = (
    latent.FOOLING_PROBABILITY,
    latent.FOOLING_LOG_TAIL,
    latent.FOOLING_QUANTILE,
    latent.EXPECTED_RADIUS,
    models.HALF_SPACE_LAW,
    models.SIMPLEX_LAW,
    models.SIMPLEX_EXPECTED_RADIUS,
    models.CHECKERBOARD_LAW,
    models.CHECKERBOARD_EXPECTED_RADIUS,
    models.CHECKERBOARD_PAPER_BOUND,
)
