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
    from robust_theory.networks.affine_margin import affine_rise as affine_rise
    from robust_theory.networks.lipschitz import lipschitz_constant as lipschitz_constant
    from robust_theory.networks.lipschitz import lipschitz_radius as lipschitz_radius
    from robust_theory.networks.propagation import certified_radius as certified_radius
    from robust_theory.networks.propagation import least_margin as least_margin
    from robust_theory.networks.propagation import margin_bounds as margin_bounds
    from robust_theory.networks.relu_networks import convolution_layer as convolution_layer
    from robust_theory.networks.relu_networks import read_network as read_network
    from robust_theory.networks.similarity import cka as cka
    from robust_theory.networks.similarity import cka_map as cka_map
    from robust_theory.networks.similarity import hsic as hsic
    from robust_theory.risks.adversarial_generalisation import (
        adversarial_generalisation_gap as adversarial_generalisation_gap,
    )
    from robust_theory.risks.curve import RiskCurve as RiskCurve
    from robust_theory.risks.curve import risk_curve as risk_curve
    from robust_theory.risks.divergence import ascent_slopes as ascent_slopes
    from robust_theory.risks.divergence import kl_divergence as kl_divergence
    from robust_theory.risks.divergence import kl_gradients as kl_gradients
    from robust_theory.risks.divergence import trades_gradient as trades_gradient
    from robust_theory.risks.finite_problems import FiniteProblem as FiniteProblem
    from robust_theory.risks.finite_problems import adversarial_risk as adversarial_risk
    from robust_theory.risks.finite_problems import benign_risk as benign_risk
    from robust_theory.risks.finite_problems import boundary_risk as boundary_risk
    from robust_theory.risks.finite_problems import finite_problem as finite_problem
    from robust_theory.risks.gaussian_line import (
        gaussian_optimal_risk_1d as gaussian_optimal_risk_1d,
    )
    from robust_theory.risks.gaussian_line import (
        gaussian_optimal_risk_1d_enclosure as gaussian_optimal_risk_1d_enclosure,
    )
    from robust_theory.risks.multiclass import MulticlassRisk as MulticlassRisk
    from robust_theory.risks.multiclass import optimal_risk_multiclass as optimal_risk_multiclass
    from robust_theory.risks.multiclass import optimal_risks_multiclass as optimal_risks_multiclass
    from robust_theory.risks.multiclass import pairwise_optimal_risks as pairwise_optimal_risks
    from robust_theory.risks.risk import OptimalRisk as OptimalRisk
    from robust_theory.risks.risk import common_inputs as common_inputs
    from robust_theory.risks.risk import optimal_risk as optimal_risk
    from robust_theory.risks.risk import optimal_risk_of_relation as optimal_risk_of_relation
    from robust_theory.risks.risk import optimal_risks as optimal_risks
    from robust_theory.risks.sample_limits import held_out_limit as held_out_limit
    from robust_theory.risks.sample_limits import population_lower_bound as population_lower_bound
    from robust_theory.risks.surrogate import surrogate_risk_bound as surrogate_risk_bound
    from robust_theory.risks.threshold import (
        gaussian_neighbourhood_distance as gaussian_neighbourhood_distance,
    )
    from robust_theory.risks.threshold import gaussian_optimal_risk as gaussian_optimal_risk
    from robust_theory.risks.threshold import (
        gaussian_optimal_risk_enclosure as gaussian_optimal_risk_enclosure,
    )
    from robust_theory.risks.training import risk_parts as risk_parts
    from robust_theory.risks.training import robustness_price as robustness_price
    from robust_theory.transport.adversarial_error import (
        cross_entropy_error_bound as cross_entropy_error_bound,
    )
    from robust_theory.transport.annealing import Annealed as Annealed
    from robust_theory.transport.annealing import annealed_free_energy as annealed_free_energy
    from robust_theory.transport.bottleneck import Bottleneck as Bottleneck
    from robust_theory.transport.bottleneck import bottleneck_coupling as bottleneck_coupling
    from robust_theory.transport.bottleneck import wasserstein_inf as wasserstein_inf
    from robust_theory.transport.bottleneck import within_wasserstein_inf as within_wasserstein_inf
    from robust_theory.transport.collisions import (
        collision_probability_bound as collision_probability_bound,
    )
    from robust_theory.transport.collisions import log_collision_bound as log_collision_bound
    from robust_theory.transport.collisions import (
        uniform_collision_probability as uniform_collision_probability,
    )
    from robust_theory.transport.energy_growth import free_energy_growth as free_energy_growth
    from robust_theory.transport.entropic_adversary import (
        entropic_transport_value as entropic_transport_value,
    )
    from robust_theory.transport.entropic_adversary import (
        transport_adversarial_risk as transport_adversarial_risk,
    )
    from robust_theory.transport.free_energy_bounds import (
        free_energy_limit_from_weights as free_energy_limit_from_weights,
    )
    from robust_theory.transport.free_energy_bounds import (
        free_energy_lower_limit as free_energy_lower_limit,
    )
    from robust_theory.transport.free_energy_bounds import (
        free_energy_upper_limit as free_energy_upper_limit,
    )
    from robust_theory.transport.free_energy_limits import (
        free_energy_gap_bound as free_energy_gap_bound,
    )
    from robust_theory.transport.free_energy_limits import (
        temperature_for_gap as temperature_for_gap,
    )
    from robust_theory.transport.gibbs import GibbsPlan as GibbsPlan
    from robust_theory.transport.gibbs import gibbs_dual_value as gibbs_dual_value
    from robust_theory.transport.gibbs import gibbs_plan as gibbs_plan
    from robust_theory.transport.gibbs import gibbs_value as gibbs_value
    from robust_theory.transport.internal import InternalTransport as InternalTransport
    from robust_theory.transport.internal import internal_distance as internal_distance
    from robust_theory.transport.internal import internal_wasserstein as internal_wasserstein
    from robust_theory.transport.internal_bounds import (
        identity_matching_cost as identity_matching_cost,
    )
    from robust_theory.transport.internal_bounds import internal_radius as internal_radius
    from robust_theory.transport.internal_bounds import (
        internal_wasserstein_bound as internal_wasserstein_bound,
    )
    from robust_theory.transport.internal_bounds import (
        internal_wasserstein_constant as internal_wasserstein_constant,
    )
    from robust_theory.transport.internal_bounds import (
        internal_wasserstein_gradient as internal_wasserstein_gradient,
    )
    from robust_theory.transport.internal_bounds import (
        internal_wasserstein_lower_bound as internal_wasserstein_lower_bound,
    )
    from robust_theory.transport.linear_gibbs import gained_fraction as gained_fraction
    from robust_theory.transport.linear_gibbs import linear_free_energy as linear_free_energy
    from robust_theory.transport.linear_gibbs import linear_gibbs_mean as linear_gibbs_mean
    from robust_theory.transport.log_mean_exp import free_energy as free_energy
    from robust_theory.transport.log_mean_exp import gibbs_divergence as gibbs_divergence
    from robust_theory.transport.log_mean_exp import gibbs_weights as gibbs_weights
    from robust_theory.transport.mixed_classifiers import MixtureGame as MixtureGame
    from robust_theory.transport.mixed_classifiers import mixture_game as mixture_game
    from robust_theory.transport.mixed_classifiers import mixture_game_value as mixture_game_value
    from robust_theory.transport.ridge_oracle import RidgeFreeEnergy as RidgeFreeEnergy
    from robust_theory.transport.ridge_oracle import ridge_free_energy as ridge_free_energy
    from robust_theory.transport.sampler_laws import (
        histogram_distance_limit as histogram_distance_limit,
    )
    from robust_theory.transport.sampler_laws import histogram_noise as histogram_noise
    from robust_theory.transport.sampler_laws import sign_step_distance as sign_step_distance
    from robust_theory.transport.semi_discrete import (
        linear_adversarial_density as linear_adversarial_density,
    )
    from robust_theory.transport.semi_discrete import (
        semi_discrete_log_density as semi_discrete_log_density,
    )
    from robust_theory.vulnerability.balls import (
        ball_fooling_probability as ball_fooling_probability,
    )
    from robust_theory.vulnerability.balls import ball_lipschitz_constant as ball_lipschitz_constant
    from robust_theory.vulnerability.checkerboards import checkerboard as checkerboard
    from robust_theory.vulnerability.checkerboards import (
        checkerboard_expected_radius as checkerboard_expected_radius,
    )
    from robust_theory.vulnerability.checkerboards import (
        checkerboard_fooling_probability as checkerboard_fooling_probability,
    )
    from robust_theory.vulnerability.cheeger import (
        cheeger_fooling_probability as cheeger_fooling_probability,
    )
    from robust_theory.vulnerability.conditional import (
        conditional_adversarial_risk as conditional_adversarial_risk,
    )
    from robust_theory.vulnerability.conditional import (
        least_conditional_adversarial_risk as least_conditional_adversarial_risk,
    )
    from robust_theory.vulnerability.equiprobable import (
        equiprobable_expected_radius as equiprobable_expected_radius,
    )
    from robust_theory.vulnerability.equiprobable import (
        equiprobable_fooling_probability as equiprobable_fooling_probability,
    )
    from robust_theory.vulnerability.explicit import (
        balanced_fooling_probability as balanced_fooling_probability,
    )
    from robust_theory.vulnerability.explicit import (
        largest_class_fooling_probability as largest_class_fooling_probability,
    )
    from robust_theory.vulnerability.image_quantiles import ImageQuantile as ImageQuantile
    from robust_theory.vulnerability.image_quantiles import (
        best_image_fooling_quantile as best_image_fooling_quantile,
    )
    from robust_theory.vulnerability.image_quantiles import (
        image_fooling_quantile as image_fooling_quantile,
    )
    from robust_theory.vulnerability.image_radii import (
        image_expected_radius as image_expected_radius,
    )
    from robust_theory.vulnerability.image_radii import (
        image_radius_enclosure as image_radius_enclosure,
    )
    from robust_theory.vulnerability.images import (
        image_fooling_probability as image_fooling_probability,
    )
    from robust_theory.vulnerability.images import (
        image_fooling_probability_inside as image_fooling_probability_inside,
    )
    from robust_theory.vulnerability.latent import expected_radius as expected_radius
    from robust_theory.vulnerability.latent import fooling_log_tail as fooling_log_tail
    from robust_theory.vulnerability.latent import fooling_probability as fooling_probability
    from robust_theory.vulnerability.latent import fooling_quantile as fooling_quantile
    from robust_theory.vulnerability.latents import (
        cube_fooling_probability as cube_fooling_probability,
    )
    from robust_theory.vulnerability.latents import (
        inradius_fooling_probability as inradius_fooling_probability,
    )
    from robust_theory.vulnerability.latents import (
        log_concave_fooling_probability as log_concave_fooling_probability,
    )
    from robust_theory.vulnerability.measure_limits import (
        expected_radius_limits as expected_radius_limits,
    )
    from robust_theory.vulnerability.measure_limits import (
        fooling_probability_limits as fooling_probability_limits,
    )
    from robust_theory.vulnerability.measure_limits import (
        fooling_quantile_limits as fooling_quantile_limits,
    )
    from robust_theory.vulnerability.models import ExactModel as ExactModel
    from robust_theory.vulnerability.models import half_space as half_space
    from robust_theory.vulnerability.models import (
        half_space_fooling_probability as half_space_fooling_probability,
    )
    from robust_theory.vulnerability.models import simplex as simplex
    from robust_theory.vulnerability.models import (
        simplex_expected_radius as simplex_expected_radius,
    )
    from robust_theory.vulnerability.models import (
        simplex_fooling_probability as simplex_fooling_probability,
    )
    from robust_theory.vulnerability.nearest_neighbour import (
        NearestNeighbourClassifier as NearestNeighbourClassifier,
    )
    from robust_theory.vulnerability.nearest_neighbour import Projection as Projection
    from robust_theory.vulnerability.nearest_neighbour import finite_projector as finite_projector
    from robust_theory.vulnerability.nearest_neighbour import linear_projector as linear_projector
    from robust_theory.vulnerability.nearest_neighbour import (
        nearest_neighbour_radius as nearest_neighbour_radius,
    )
    from robust_theory.vulnerability.nearest_neighbour import search_projector as search_projector
    from robust_theory.vulnerability.neighbourhoods import (
        equiprobable_neighbourhood_measure as equiprobable_neighbourhood_measure,
    )
    from robust_theory.vulnerability.neighbourhoods import (
        equiprobable_threshold as equiprobable_threshold,
    )
    from robust_theory.vulnerability.neighbourhoods import (
        neighbourhood_measure as neighbourhood_measure,
    )
    from robust_theory.vulnerability.normalised import (
        half_space_normalised_probability as half_space_normalised_probability,
    )
    from robust_theory.vulnerability.normalised import (
        normalised_fooling_probability as normalised_fooling_probability,
    )
    from robust_theory.vulnerability.normalised import (
        normalised_fooling_quantile as normalised_fooling_quantile,
    )
    from robust_theory.vulnerability.norms import (
        gaussian_fooling_probability as gaussian_fooling_probability,
    )
    from robust_theory.vulnerability.norms import gaussian_inradius as gaussian_inradius
    from robust_theory.vulnerability.orthant_models import (
        orthant_expected_radius as orthant_expected_radius,
    )
    from robust_theory.vulnerability.orthant_models import (
        orthant_fooling_probability as orthant_fooling_probability,
    )
    from robust_theory.vulnerability.orthant_models import orthants as orthants
    from robust_theory.vulnerability.parallel import (
        parallel_transfer_arguments as parallel_transfer_arguments,
    )
    from robust_theory.vulnerability.parallel import (
        parallel_transfer_probability as parallel_transfer_probability,
    )
    from robust_theory.vulnerability.parallel import (
        parallel_transfer_radius as parallel_transfer_radius,
    )
    from robust_theory.vulnerability.real_data import (
        real_data_fooling_probability as real_data_fooling_probability,
    )
    from robust_theory.vulnerability.spheres import (
        sphere_fooling_probability as sphere_fooling_probability,
    )
    from robust_theory.vulnerability.strip_models import slab as slab
    from robust_theory.vulnerability.strip_models import strips as strips
    from robust_theory.vulnerability.strip_models import (
        strips_expected_radius as strips_expected_radius,
    )
    from robust_theory.vulnerability.strip_models import (
        strips_fooling_probability as strips_fooling_probability,
    )
    from robust_theory.vulnerability.tails import tail_lower_bound as tail_lower_bound
    from robust_theory.vulnerability.tails import tail_upper_bound as tail_upper_bound
    from robust_theory.vulnerability.transfer import transfer_probability as transfer_probability
    from robust_theory.vulnerability.transfer import (
        transfer_probability_from_unions as transfer_probability_from_unions,
    )
    from robust_theory.vulnerability.transfer_limits import (
        transfer_probability_from_unions_limits as transfer_probability_from_unions_limits,
    )
    from robust_theory.vulnerability.transfer_limits import (
        transfer_probability_limits as transfer_probability_limits,
    )
    from robust_theory.wasserstein.accuracy_curve import CertifiedAccuracy as CertifiedAccuracy
    from robust_theory.wasserstein.accuracy_curve import certified_accuracy as certified_accuracy
    from robust_theory.wasserstein.best_covariance import OptimalCovariance as OptimalCovariance
    from robust_theory.wasserstein.best_covariance import optimal_covariance as optimal_covariance
    from robust_theory.wasserstein.covariance import certified_scale as certified_scale
    from robust_theory.wasserstein.covariance import covariance_distance as covariance_distance
    from robust_theory.wasserstein.covariance import (
        gaussian_smoothing_radius as gaussian_smoothing_radius,
    )
    from robust_theory.wasserstein.flow import apply_flow as apply_flow
    from robust_theory.wasserstein.grid import grid_wasserstein as grid_wasserstein
    from robust_theory.wasserstein.grid import grid_wasserstein_batch as grid_wasserstein_batch
    from robust_theory.wasserstein.grid_transport import GridTransport as GridTransport
    from robust_theory.wasserstein.neighbour_flow import (
        neighbour_flow_distance as neighbour_flow_distance,
    )
    from robust_theory.wasserstein.neighbour_flow import (
        signed_flow_distance as signed_flow_distance,
    )
    from robust_theory.wasserstein.patch_noise import patch_variance as patch_variance
    from robust_theory.wasserstein.resistance import EdgeVariances as EdgeVariances
    from robust_theory.wasserstein.resistance import edge_variances as edge_variances
    from robust_theory.wasserstein.resistance import flow_distance as flow_distance
    from robust_theory.wasserstein.resistance import uniform_variances as uniform_variances
    from robust_theory.wasserstein.sequential import SequentialCertificate as SequentialCertificate
    from robust_theory.wasserstein.sequential import certify_sequentially as certify_sequentially
    from robust_theory.wasserstein.smoothing import holder_radius as holder_radius
    from robust_theory.wasserstein.smoothing import smoothing_radius as smoothing_radius
    from robust_theory.wasserstein.votes import Certified as Certified
    from robust_theory.wasserstein.votes import Prediction as Prediction
    from robust_theory.wasserstein.votes import certify as certify
    from robust_theory.wasserstein.votes import predict as predict

_HOMES = {
    "catalogue": ("CLAIMS",),
    "vulnerability.balls": (
        "ball_fooling_probability",
        "ball_lipschitz_constant",
    ),
    "vulnerability.cheeger": ("cheeger_fooling_probability",),
    "vulnerability.conditional": (
        "conditional_adversarial_risk",
        "least_conditional_adversarial_risk",
    ),
    "vulnerability.equiprobable": (
        "equiprobable_expected_radius",
        "equiprobable_fooling_probability",
    ),
    "vulnerability.explicit": (
        "balanced_fooling_probability",
        "largest_class_fooling_probability",
    ),
    "wasserstein.flow": ("apply_flow",),
    "wasserstein.grid": (
        "grid_wasserstein",
        "grid_wasserstein_batch",
    ),
    "wasserstein.grid_transport": ("GridTransport",),
    "vulnerability.image_quantiles": (
        "ImageQuantile",
        "best_image_fooling_quantile",
        "image_fooling_quantile",
    ),
    "vulnerability.image_radii": (
        "image_expected_radius",
        "image_radius_enclosure",
    ),
    "vulnerability.images": (
        "image_fooling_probability",
        "image_fooling_probability_inside",
    ),
    "vulnerability.latents": (
        "cube_fooling_probability",
        "inradius_fooling_probability",
        "log_concave_fooling_probability",
    ),
    "vulnerability.nearest_neighbour": (
        "NearestNeighbourClassifier",
        "Projection",
        "finite_projector",
        "linear_projector",
        "nearest_neighbour_radius",
        "search_projector",
    ),
    "wasserstein.neighbour_flow": (
        "neighbour_flow_distance",
        "signed_flow_distance",
    ),
    "vulnerability.neighbourhoods": (
        "equiprobable_neighbourhood_measure",
        "equiprobable_threshold",
        "neighbourhood_measure",
    ),
    "vulnerability.normalised": (
        "half_space_normalised_probability",
        "normalised_fooling_probability",
        "normalised_fooling_quantile",
    ),
    "vulnerability.norms": (
        "gaussian_fooling_probability",
        "gaussian_inradius",
    ),
    "vulnerability.orthant_models": (
        "orthant_expected_radius",
        "orthant_fooling_probability",
        "orthants",
    ),
    "vulnerability.parallel": (
        "parallel_transfer_arguments",
        "parallel_transfer_probability",
        "parallel_transfer_radius",
    ),
    "vulnerability.real_data": ("real_data_fooling_probability",),
    "vulnerability.spheres": ("sphere_fooling_probability",),
    "vulnerability.strip_models": (
        "slab",
        "strips",
        "strips_expected_radius",
        "strips_fooling_probability",
    ),
    "vulnerability.tails": (
        "tail_lower_bound",
        "tail_upper_bound",
    ),
    "vulnerability.transfer": (
        "transfer_probability",
        "transfer_probability_from_unions",
    ),
    "vulnerability.transfer_limits": (
        "transfer_probability_from_unions_limits",
        "transfer_probability_limits",
    ),
    "risks.curve": (
        "RiskCurve",
        "risk_curve",
    ),
    "risks.gaussian_line": (
        "gaussian_optimal_risk_1d",
        "gaussian_optimal_risk_1d_enclosure",
    ),
    "risks.multiclass": (
        "MulticlassRisk",
        "optimal_risk_multiclass",
        "optimal_risks_multiclass",
        "pairwise_optimal_risks",
    ),
    "risks.risk": (
        "OptimalRisk",
        "optimal_risk",
        "optimal_risk_of_relation",
        "optimal_risks",
        "common_inputs",
    ),
    "risks.sample_limits": (
        "held_out_limit",
        "population_lower_bound",
    ),
    "risks.threshold": (
        "gaussian_neighbourhood_distance",
        "gaussian_optimal_risk",
        "gaussian_optimal_risk_enclosure",
    ),
    "wasserstein.smoothing": (
        "smoothing_radius",
        "holder_radius",
    ),
    "wasserstein.covariance": (
        "gaussian_smoothing_radius",
        "certified_scale",
        "covariance_distance",
    ),
    "wasserstein.resistance": (
        "EdgeVariances",
        "edge_variances",
        "flow_distance",
        "uniform_variances",
    ),
    "wasserstein.votes": (
        "certify",
        "predict",
        "Certified",
        "Prediction",
    ),
    "wasserstein.best_covariance": (
        "OptimalCovariance",
        "optimal_covariance",
    ),
    "wasserstein.sequential": (
        "SequentialCertificate",
        "certify_sequentially",
    ),
    "wasserstein.accuracy_curve": (
        "CertifiedAccuracy",
        "certified_accuracy",
    ),
    "wasserstein.patch_noise": ("patch_variance",),
    "claim": ("Claim", "Interval"),
    "vulnerability.latent": (
        "expected_radius",
        "fooling_log_tail",
        "fooling_probability",
        "fooling_quantile",
    ),
    "vulnerability.measure_limits": (
        "expected_radius_limits",
        "fooling_probability_limits",
        "fooling_quantile_limits",
    ),
    "vulnerability.models": (
        "ExactModel",
        "half_space",
        "half_space_fooling_probability",
        "simplex",
        "simplex_expected_radius",
        "simplex_fooling_probability",
    ),
    "vulnerability.checkerboards": (
        "checkerboard",
        "checkerboard_expected_radius",
        "checkerboard_fooling_probability",
    ),
    "risks.divergence": ("ascent_slopes", "kl_divergence", "kl_gradients", "trades_gradient"),
    "risks.finite_problems": (
        "FiniteProblem",
        "adversarial_risk",
        "benign_risk",
        "boundary_risk",
        "finite_problem",
    ),
    "networks.lipschitz": ("lipschitz_constant", "lipschitz_radius"),
    "networks.propagation": ("certified_radius", "least_margin", "margin_bounds"),
    "networks.relu_networks": ("convolution_layer", "read_network"),
    "networks.similarity": ("cka", "cka_map", "hsic"),
    "risks.surrogate": ("surrogate_risk_bound",),
    "risks.training": ("risk_parts", "robustness_price"),
    "risks.adversarial_generalisation": ("adversarial_generalisation_gap",),
    "networks.affine_margin": ("affine_rise",),
    "transport.adversarial_error": ("cross_entropy_error_bound",),
    "transport.annealing": ("Annealed", "annealed_free_energy"),
    "transport.bottleneck": (
        "Bottleneck",
        "bottleneck_coupling",
        "wasserstein_inf",
        "within_wasserstein_inf",
    ),
    "transport.collisions": (
        "collision_probability_bound",
        "log_collision_bound",
        "uniform_collision_probability",
    ),
    "transport.entropic_adversary": ("entropic_transport_value", "transport_adversarial_risk"),
    "transport.energy_growth": ("free_energy_growth",),
    "transport.free_energy_bounds": (
        "free_energy_limit_from_weights",
        "free_energy_lower_limit",
        "free_energy_upper_limit",
    ),
    "transport.free_energy_limits": ("free_energy_gap_bound", "temperature_for_gap"),
    "transport.gibbs": ("GibbsPlan", "gibbs_dual_value", "gibbs_plan", "gibbs_value"),
    "transport.internal": ("InternalTransport", "internal_distance", "internal_wasserstein"),
    "transport.internal_bounds": (
        "identity_matching_cost",
        "internal_radius",
        "internal_wasserstein_bound",
        "internal_wasserstein_constant",
        "internal_wasserstein_gradient",
        "internal_wasserstein_lower_bound",
    ),
    "transport.linear_gibbs": ("gained_fraction", "linear_free_energy", "linear_gibbs_mean"),
    "transport.log_mean_exp": ("free_energy", "gibbs_divergence", "gibbs_weights"),
    "transport.sampler_laws": ("histogram_distance_limit", "histogram_noise", "sign_step_distance"),
    "transport.mixed_classifiers": ("MixtureGame", "mixture_game", "mixture_game_value"),
    "transport.ridge_oracle": ("RidgeFreeEnergy", "ridge_free_energy"),
    "transport.semi_discrete": ("linear_adversarial_density", "semi_discrete_log_density"),
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
