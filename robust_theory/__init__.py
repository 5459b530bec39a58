"""How robust any classifier can be: bounds with a known side and a proof behind each number.

Names are loaded when they are first used, so importing the package is quick.
"""

from importlib import import_module

# Type checkers take this name for true. To import it from typing would triple the time that
# importing this package takes.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from robust_theory.catalogue import CLAIMS as CLAIMS
    from robust_theory.claim import Claim as Claim
    from robust_theory.claim import Interval as Interval
    from robust_theory.latent import expected_radius as expected_radius
    from robust_theory.latent import expected_radius_limits as expected_radius_limits
    from robust_theory.latent import fooling_log_tail as fooling_log_tail
    from robust_theory.latent import fooling_probability as fooling_probability
    from robust_theory.latent import fooling_probability_limits as fooling_probability_limits
    from robust_theory.latent import fooling_quantile as fooling_quantile
    from robust_theory.latent import fooling_quantile_limits as fooling_quantile_limits
    from robust_theory.models import ExactModel as ExactModel
    from robust_theory.models import checkerboard as checkerboard
    from robust_theory.models import checkerboard_expected_radius as checkerboard_expected_radius
    from robust_theory.models import (
        checkerboard_fooling_probability as checkerboard_fooling_probability,
    )
    from robust_theory.models import half_space as half_space
    from robust_theory.models import (
        half_space_fooling_probability as half_space_fooling_probability,
    )
    from robust_theory.models import simplex as simplex
    from robust_theory.models import simplex_expected_radius as simplex_expected_radius
    from robust_theory.models import simplex_fooling_probability as simplex_fooling_probability

_HOMES = {
    "catalogue": ("CLAIMS",),
    "claim": ("Claim", "Interval"),
    "latent": (
        "expected_radius",
        "expected_radius_limits",
        "fooling_log_tail",
        "fooling_probability",
        "fooling_probability_limits",
        "fooling_quantile",
        "fooling_quantile_limits",
    ),
    "models": (
        "ExactModel",
        "checkerboard",
        "checkerboard_expected_radius",
        "checkerboard_fooling_probability",
        "half_space",
        "half_space_fooling_probability",
        "simplex",
        "simplex_expected_radius",
        "simplex_fooling_probability",
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
