"""Sentences and labels that several experiments share."""

SHARE_ABOVE = (
    "The stepped line (share of sampled points whose exact radius is at most eps) must stay above "
    "the smooth one, the least share that the theorem allows."
)
SHARE_ON = (
    "The stepped line (exact radii of sampled points) must keep the smooth one, the closed form, "
    "inside its band."
)
RADIUS_BELOW = (
    "Each bar is the measured radius with its band; it must end below the mark of the theory, the "
    "largest value that any classifier can reach."
)
MEAN_ON = (
    "Each bar is the mean exact radius of sampled points with its band; the mark of the theory "
    "must lie inside it."
)
NUMBER_BETWEEN = (
    "Each bar is the exact number, enclosed in ball arithmetic; the mark of the theory must be on "
    "its side of it."
)
LATENT = "l2 distance in latent space"
IMAGE = "l2 distance in image space"
SHARE = "probability"
EPS = f"eps, {LATENT}"
EPS_IMAGE = f"eps, {IMAGE}"
EPS_ANY = "eps, distance in latent space"
WITHIN = "P(r_Z <= eps)"
WITHIN_IMAGE = "P(r_X <= eps)"
