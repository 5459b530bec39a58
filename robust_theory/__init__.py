"""How robust any classifier can be: bounds with a known side and a proof behind each number.

Names are loaded when they are first used, so importing the package is quick.
"""

from importlib import import_module

# Type checkers take this name for true. To import it from typing would triple the time that
# importing this package takes.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from robust_theory.accuracy_curve import CertifiedAccuracy as CertifiedAccuracy
    from robust_theory.accuracy_curve import certified_accuracy as certified_accuracy
    from robust_theory.adversarial_generalisation import (
        adversarial_generalisation_gap as adversarial_generalisation_gap,
    )
    from robust_theory.affine_margin import affine_rise as affine_rise
    from robust_theory.annealing import Annealed as Annealed
    from robust_theory.annealing import annealed_free_energy as annealed_free_energy
    from robust_theory.balls import ball_fooling_probability as ball_fooling_probability
    from robust_theory.balls import ball_lipschitz_constant as ball_lipschitz_constant
    from robust_theory.best_covariance import OptimalCovariance as OptimalCovariance
    from robust_theory.best_covariance import optimal_covariance as optimal_covariance
    from robust_theory.bottleneck import Bottleneck as Bottleneck
    from robust_theory.bottleneck import bottleneck_coupling as bottleneck_coupling
    from robust_theory.bottleneck import wasserstein_inf as wasserstein_inf
    from robust_theory.bottleneck import within_wasserstein_inf as within_wasserstein_inf
    from robust_theory.catalogue import CLAIMS as CLAIMS
    from robust_theory.checkerboards import checkerboard as checkerboard
    from robust_theory.checkerboards import (
        checkerboard_expected_radius as checkerboard_expected_radius,
    )
    from robust_theory.checkerboards import (
        checkerboard_fooling_probability as checkerboard_fooling_probability,
    )
    from robust_theory.cheeger import cheeger_fooling_probability as cheeger_fooling_probability
    from robust_theory.claim import Claim as Claim
    from robust_theory.claim import Interval as Interval
    from robust_theory.collisions import collision_probability_bound as collision_probability_bound
    from robust_theory.collisions import log_collision_bound as log_collision_bound
    from robust_theory.collisions import (
        uniform_collision_probability as uniform_collision_probability,
    )
    from robust_theory.conditional import (
        conditional_adversarial_risk as conditional_adversarial_risk,
    )
    from robust_theory.conditional import (
        least_conditional_adversarial_risk as least_conditional_adversarial_risk,
    )
    from robust_theory.covariance import certified_scale as certified_scale
    from robust_theory.covariance import covariance_distance as covariance_distance
    from robust_theory.covariance import gaussian_smoothing_radius as gaussian_smoothing_radius
    from robust_theory.curve import RiskCurve as RiskCurve
    from robust_theory.curve import risk_curve as risk_curve
    from robust_theory.divergence import ascent_slopes as ascent_slopes
    from robust_theory.divergence import kl_divergence as kl_divergence
    from robust_theory.divergence import kl_gradients as kl_gradients
    from robust_theory.divergence import trades_gradient as trades_gradient
    from robust_theory.energy_growth import free_energy_growth as free_energy_growth
    from robust_theory.entropic_adversary import (
        entropic_transport_value as entropic_transport_value,
    )
    from robust_theory.entropic_adversary import (
        transport_adversarial_risk as transport_adversarial_risk,
    )
    from robust_theory.equiprobable import (
        equiprobable_expected_radius as equiprobable_expected_radius,
    )
    from robust_theory.equiprobable import (
        equiprobable_fooling_probability as equiprobable_fooling_probability,
    )
    from robust_theory.explicit import balanced_fooling_probability as balanced_fooling_probability
    from robust_theory.explicit import (
        largest_class_fooling_probability as largest_class_fooling_probability,
    )
    from robust_theory.finite_problems import FiniteProblem as FiniteProblem
    from robust_theory.finite_problems import adversarial_risk as adversarial_risk
    from robust_theory.finite_problems import benign_risk as benign_risk
    from robust_theory.finite_problems import boundary_risk as boundary_risk
    from robust_theory.finite_problems import finite_problem as finite_problem
    from robust_theory.flow import apply_flow as apply_flow
    from robust_theory.free_energy_bounds import (
        free_energy_limit_from_weights as free_energy_limit_from_weights,
    )
    from robust_theory.free_energy_bounds import free_energy_lower_limit as free_energy_lower_limit
    from robust_theory.free_energy_bounds import free_energy_upper_limit as free_energy_upper_limit
    from robust_theory.free_energy_limits import free_energy_gap_bound as free_energy_gap_bound
    from robust_theory.free_energy_limits import temperature_for_gap as temperature_for_gap
    from robust_theory.gaussian_line import gaussian_optimal_risk_1d as gaussian_optimal_risk_1d
    from robust_theory.gaussian_line import (
        gaussian_optimal_risk_1d_enclosure as gaussian_optimal_risk_1d_enclosure,
    )
    from robust_theory.gibbs import GibbsPlan as GibbsPlan
    from robust_theory.gibbs import gibbs_dual_value as gibbs_dual_value
    from robust_theory.gibbs import gibbs_plan as gibbs_plan
    from robust_theory.gibbs import gibbs_value as gibbs_value
    from robust_theory.grid import grid_wasserstein as grid_wasserstein
    from robust_theory.grid import grid_wasserstein_batch as grid_wasserstein_batch
    from robust_theory.grid_transport import GridTransport as GridTransport
    from robust_theory.image_quantiles import ImageQuantile as ImageQuantile
    from robust_theory.image_quantiles import (
        best_image_fooling_quantile as best_image_fooling_quantile,
    )
    from robust_theory.image_quantiles import image_fooling_quantile as image_fooling_quantile
    from robust_theory.image_radii import image_expected_radius as image_expected_radius
    from robust_theory.image_radii import image_radius_enclosure as image_radius_enclosure
    from robust_theory.images import image_fooling_probability as image_fooling_probability
    from robust_theory.images import (
        image_fooling_probability_inside as image_fooling_probability_inside,
    )
    from robust_theory.internal import InternalTransport as InternalTransport
    from robust_theory.internal import internal_distance as internal_distance
    from robust_theory.internal import internal_wasserstein as internal_wasserstein
    from robust_theory.internal_bounds import identity_matching_cost as identity_matching_cost
    from robust_theory.internal_bounds import internal_radius as internal_radius
    from robust_theory.internal_bounds import (
        internal_wasserstein_bound as internal_wasserstein_bound,
    )
    from robust_theory.internal_bounds import (
        internal_wasserstein_constant as internal_wasserstein_constant,
    )
    from robust_theory.internal_bounds import (
        internal_wasserstein_gradient as internal_wasserstein_gradient,
    )
    from robust_theory.internal_bounds import (
        internal_wasserstein_lower_bound as internal_wasserstein_lower_bound,
    )
    from robust_theory.latent import expected_radius as expected_radius
    from robust_theory.latent import fooling_log_tail as fooling_log_tail
    from robust_theory.latent import fooling_probability as fooling_probability
    from robust_theory.latent import fooling_quantile as fooling_quantile
    from robust_theory.latents import cube_fooling_probability as cube_fooling_probability
    from robust_theory.latents import inradius_fooling_probability as inradius_fooling_probability
    from robust_theory.latents import (
        log_concave_fooling_probability as log_concave_fooling_probability,
    )
    from robust_theory.linear_gibbs import gained_fraction as gained_fraction
    from robust_theory.linear_gibbs import linear_free_energy as linear_free_energy
    from robust_theory.linear_gibbs import linear_gibbs_mean as linear_gibbs_mean
    from robust_theory.lipschitz import lipschitz_constant as lipschitz_constant
    from robust_theory.lipschitz import lipschitz_radius as lipschitz_radius
    from robust_theory.log_mean_exp import free_energy as free_energy
    from robust_theory.log_mean_exp import gibbs_divergence as gibbs_divergence
    from robust_theory.log_mean_exp import gibbs_weights as gibbs_weights
    from robust_theory.measure_limits import expected_radius_limits as expected_radius_limits
    from robust_theory.measure_limits import (
        fooling_probability_limits as fooling_probability_limits,
    )
    from robust_theory.measure_limits import fooling_quantile_limits as fooling_quantile_limits
    from robust_theory.mixed_classifiers import MixtureGame as MixtureGame
    from robust_theory.mixed_classifiers import mixture_game as mixture_game
    from robust_theory.mixed_classifiers import mixture_game_value as mixture_game_value
    from robust_theory.models import ExactModel as ExactModel
    from robust_theory.models import half_space as half_space
    from robust_theory.models import (
        half_space_fooling_probability as half_space_fooling_probability,
    )
    from robust_theory.models import simplex as simplex
    from robust_theory.models import simplex_expected_radius as simplex_expected_radius
    from robust_theory.models import simplex_fooling_probability as simplex_fooling_probability
    from robust_theory.multiclass import MulticlassRisk as MulticlassRisk
    from robust_theory.multiclass import optimal_risk_multiclass as optimal_risk_multiclass
    from robust_theory.multiclass import optimal_risks_multiclass as optimal_risks_multiclass
    from robust_theory.multiclass import pairwise_optimal_risks as pairwise_optimal_risks
    from robust_theory.nearest_neighbour import (
        NearestNeighbourClassifier as NearestNeighbourClassifier,
    )
    from robust_theory.nearest_neighbour import Projection as Projection
    from robust_theory.nearest_neighbour import finite_projector as finite_projector
    from robust_theory.nearest_neighbour import linear_projector as linear_projector
    from robust_theory.nearest_neighbour import nearest_neighbour_radius as nearest_neighbour_radius
    from robust_theory.nearest_neighbour import search_projector as search_projector
    from robust_theory.neighbour_flow import neighbour_flow_distance as neighbour_flow_distance
    from robust_theory.neighbour_flow import signed_flow_distance as signed_flow_distance
    from robust_theory.neighbourhoods import (
        equiprobable_neighbourhood_measure as equiprobable_neighbourhood_measure,
    )
    from robust_theory.neighbourhoods import equiprobable_threshold as equiprobable_threshold
    from robust_theory.neighbourhoods import neighbourhood_measure as neighbourhood_measure
    from robust_theory.normalised import (
        half_space_normalised_probability as half_space_normalised_probability,
    )
    from robust_theory.normalised import (
        normalised_fooling_probability as normalised_fooling_probability,
    )
    from robust_theory.normalised import normalised_fooling_quantile as normalised_fooling_quantile
    from robust_theory.norms import gaussian_fooling_probability as gaussian_fooling_probability
    from robust_theory.norms import gaussian_inradius as gaussian_inradius
    from robust_theory.orthant_models import orthant_expected_radius as orthant_expected_radius
    from robust_theory.orthant_models import (
        orthant_fooling_probability as orthant_fooling_probability,
    )
    from robust_theory.orthant_models import orthants as orthants
    from robust_theory.parallel import parallel_transfer_arguments as parallel_transfer_arguments
    from robust_theory.parallel import (
        parallel_transfer_probability as parallel_transfer_probability,
    )
    from robust_theory.parallel import parallel_transfer_radius as parallel_transfer_radius
    from robust_theory.patch_noise import patch_variance as patch_variance
    from robust_theory.propagation import certified_radius as certified_radius
    from robust_theory.propagation import least_margin as least_margin
    from robust_theory.propagation import margin_bounds as margin_bounds
    from robust_theory.real_data import (
        real_data_fooling_probability as real_data_fooling_probability,
    )
    from robust_theory.relu_networks import convolution_layer as convolution_layer
    from robust_theory.relu_networks import read_network as read_network
    from robust_theory.resistance import EdgeVariances as EdgeVariances
    from robust_theory.resistance import edge_variances as edge_variances
    from robust_theory.resistance import flow_distance as flow_distance
    from robust_theory.resistance import uniform_variances as uniform_variances
    from robust_theory.ridge_oracle import RidgeFreeEnergy as RidgeFreeEnergy
    from robust_theory.ridge_oracle import ridge_free_energy as ridge_free_energy
    from robust_theory.risk import OptimalRisk as OptimalRisk
    from robust_theory.risk import common_inputs as common_inputs
    from robust_theory.risk import optimal_risk as optimal_risk
    from robust_theory.risk import optimal_risk_of_relation as optimal_risk_of_relation
    from robust_theory.risk import optimal_risks as optimal_risks
    from robust_theory.sample_limits import held_out_limit as held_out_limit
    from robust_theory.sample_limits import population_lower_bound as population_lower_bound
    from robust_theory.sampler_laws import histogram_distance_limit as histogram_distance_limit
    from robust_theory.sampler_laws import histogram_noise as histogram_noise
    from robust_theory.sampler_laws import sign_step_distance as sign_step_distance
    from robust_theory.semi_discrete import linear_adversarial_density as linear_adversarial_density
    from robust_theory.semi_discrete import semi_discrete_log_density as semi_discrete_log_density
    from robust_theory.sequential import SequentialCertificate as SequentialCertificate
    from robust_theory.sequential import certify_sequentially as certify_sequentially
    from robust_theory.similarity import cka as cka
    from robust_theory.similarity import cka_map as cka_map
    from robust_theory.similarity import hsic as hsic
    from robust_theory.smoothing import holder_radius as holder_radius
    from robust_theory.smoothing import smoothing_radius as smoothing_radius
    from robust_theory.spheres import sphere_fooling_probability as sphere_fooling_probability
    from robust_theory.strip_models import slab as slab
    from robust_theory.strip_models import strips as strips
    from robust_theory.strip_models import strips_expected_radius as strips_expected_radius
    from robust_theory.strip_models import strips_fooling_probability as strips_fooling_probability
    from robust_theory.surrogate import surrogate_risk_bound as surrogate_risk_bound
    from robust_theory.tails import tail_lower_bound as tail_lower_bound
    from robust_theory.tails import tail_upper_bound as tail_upper_bound
    from robust_theory.threshold import (
        gaussian_neighbourhood_distance as gaussian_neighbourhood_distance,
    )
    from robust_theory.threshold import gaussian_optimal_risk as gaussian_optimal_risk
    from robust_theory.threshold import (
        gaussian_optimal_risk_enclosure as gaussian_optimal_risk_enclosure,
    )
    from robust_theory.training import risk_parts as risk_parts
    from robust_theory.training import robustness_price as robustness_price
    from robust_theory.transfer import transfer_probability as transfer_probability
    from robust_theory.transfer import (
        transfer_probability_from_unions as transfer_probability_from_unions,
    )
    from robust_theory.transfer_limits import (
        transfer_probability_from_unions_limits as transfer_probability_from_unions_limits,
    )
    from robust_theory.transfer_limits import (
        transfer_probability_limits as transfer_probability_limits,
    )
    from robust_theory.votes import Certified as Certified
    from robust_theory.votes import Prediction as Prediction
    from robust_theory.votes import certify as certify
    from robust_theory.votes import predict as predict

_HOMES = {
    "catalogue": ("CLAIMS",),
    "balls": (
        "ball_fooling_probability",
        "ball_lipschitz_constant",
    ),
    "cheeger": ("cheeger_fooling_probability",),
    "conditional": (
        "conditional_adversarial_risk",
        "least_conditional_adversarial_risk",
    ),
    "equiprobable": (
        "equiprobable_expected_radius",
        "equiprobable_fooling_probability",
    ),
    "explicit": (
        "balanced_fooling_probability",
        "largest_class_fooling_probability",
    ),
    "flow": ("apply_flow",),
    "grid": (
        "grid_wasserstein",
        "grid_wasserstein_batch",
    ),
    "grid_transport": ("GridTransport",),
    "image_quantiles": (
        "ImageQuantile",
        "best_image_fooling_quantile",
        "image_fooling_quantile",
    ),
    "image_radii": (
        "image_expected_radius",
        "image_radius_enclosure",
    ),
    "images": (
        "image_fooling_probability",
        "image_fooling_probability_inside",
    ),
    "latents": (
        "cube_fooling_probability",
        "inradius_fooling_probability",
        "log_concave_fooling_probability",
    ),
    "nearest_neighbour": (
        "NearestNeighbourClassifier",
        "Projection",
        "finite_projector",
        "linear_projector",
        "nearest_neighbour_radius",
        "search_projector",
    ),
    "neighbour_flow": (
        "neighbour_flow_distance",
        "signed_flow_distance",
    ),
    "neighbourhoods": (
        "equiprobable_neighbourhood_measure",
        "equiprobable_threshold",
        "neighbourhood_measure",
    ),
    "normalised": (
        "half_space_normalised_probability",
        "normalised_fooling_probability",
        "normalised_fooling_quantile",
    ),
    "norms": (
        "gaussian_fooling_probability",
        "gaussian_inradius",
    ),
    "orthant_models": (
        "orthant_expected_radius",
        "orthant_fooling_probability",
        "orthants",
    ),
    "parallel": (
        "parallel_transfer_arguments",
        "parallel_transfer_probability",
        "parallel_transfer_radius",
    ),
    "real_data": ("real_data_fooling_probability",),
    "spheres": ("sphere_fooling_probability",),
    "strip_models": (
        "slab",
        "strips",
        "strips_expected_radius",
        "strips_fooling_probability",
    ),
    "tails": (
        "tail_lower_bound",
        "tail_upper_bound",
    ),
    "transfer": (
        "transfer_probability",
        "transfer_probability_from_unions",
    ),
    "transfer_limits": (
        "transfer_probability_from_unions_limits",
        "transfer_probability_limits",
    ),
    "curve": (
        "RiskCurve",
        "risk_curve",
    ),
    "gaussian_line": (
        "gaussian_optimal_risk_1d",
        "gaussian_optimal_risk_1d_enclosure",
    ),
    "multiclass": (
        "MulticlassRisk",
        "optimal_risk_multiclass",
        "optimal_risks_multiclass",
        "pairwise_optimal_risks",
    ),
    "risk": (
        "OptimalRisk",
        "optimal_risk",
        "optimal_risk_of_relation",
        "optimal_risks",
        "common_inputs",
    ),
    "sample_limits": (
        "held_out_limit",
        "population_lower_bound",
    ),
    "threshold": (
        "gaussian_neighbourhood_distance",
        "gaussian_optimal_risk",
        "gaussian_optimal_risk_enclosure",
    ),
    "smoothing": (
        "smoothing_radius",
        "holder_radius",
    ),
    "covariance": (
        "gaussian_smoothing_radius",
        "certified_scale",
        "covariance_distance",
    ),
    "resistance": ("EdgeVariances", "edge_variances", "flow_distance", "uniform_variances"),
    "votes": (
        "certify",
        "predict",
        "Certified",
        "Prediction",
    ),
    "best_covariance": (
        "OptimalCovariance",
        "optimal_covariance",
    ),
    "sequential": (
        "SequentialCertificate",
        "certify_sequentially",
    ),
    "accuracy_curve": (
        "CertifiedAccuracy",
        "certified_accuracy",
    ),
    "patch_noise": ("patch_variance",),
    "claim": ("Claim", "Interval"),
    "latent": (
        "expected_radius",
        "fooling_log_tail",
        "fooling_probability",
        "fooling_quantile",
    ),
    "measure_limits": (
        "expected_radius_limits",
        "fooling_probability_limits",
        "fooling_quantile_limits",
    ),
    "models": (
        "ExactModel",
        "half_space",
        "half_space_fooling_probability",
        "simplex",
        "simplex_expected_radius",
        "simplex_fooling_probability",
    ),
    "checkerboards": (
        "checkerboard",
        "checkerboard_expected_radius",
        "checkerboard_fooling_probability",
    ),
    "divergence": ("ascent_slopes", "kl_divergence", "kl_gradients", "trades_gradient"),
    "finite_problems": (
        "FiniteProblem",
        "adversarial_risk",
        "benign_risk",
        "boundary_risk",
        "finite_problem",
    ),
    "lipschitz": ("lipschitz_constant", "lipschitz_radius"),
    "propagation": ("certified_radius", "least_margin", "margin_bounds"),
    "relu_networks": ("convolution_layer", "read_network"),
    "similarity": ("cka", "cka_map", "hsic"),
    "surrogate": ("surrogate_risk_bound",),
    "training": ("risk_parts", "robustness_price"),
    "adversarial_generalisation": ("adversarial_generalisation_gap",),
    "affine_margin": ("affine_rise",),
    "annealing": ("Annealed", "annealed_free_energy"),
    "bottleneck": (
        "Bottleneck",
        "bottleneck_coupling",
        "wasserstein_inf",
        "within_wasserstein_inf",
    ),
    "collisions": (
        "collision_probability_bound",
        "log_collision_bound",
        "uniform_collision_probability",
    ),
    "entropic_adversary": ("entropic_transport_value", "transport_adversarial_risk"),
    "energy_growth": ("free_energy_growth",),
    "free_energy_bounds": (
        "free_energy_limit_from_weights",
        "free_energy_lower_limit",
        "free_energy_upper_limit",
    ),
    "free_energy_limits": ("free_energy_gap_bound", "temperature_for_gap"),
    "gibbs": ("GibbsPlan", "gibbs_dual_value", "gibbs_plan", "gibbs_value"),
    "internal": ("InternalTransport", "internal_distance", "internal_wasserstein"),
    "internal_bounds": (
        "identity_matching_cost",
        "internal_radius",
        "internal_wasserstein_bound",
        "internal_wasserstein_constant",
        "internal_wasserstein_gradient",
        "internal_wasserstein_lower_bound",
    ),
    "linear_gibbs": ("gained_fraction", "linear_free_energy", "linear_gibbs_mean"),
    "log_mean_exp": ("free_energy", "gibbs_divergence", "gibbs_weights"),
    "sampler_laws": ("histogram_distance_limit", "histogram_noise", "sign_step_distance"),
    "mixed_classifiers": ("MixtureGame", "mixture_game", "mixture_game_value"),
    "ridge_oracle": ("RidgeFreeEnergy", "ridge_free_energy"),
    "semi_discrete": ("linear_adversarial_density", "semi_discrete_log_density"),
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
