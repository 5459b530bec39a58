"""Every claim has an experiment, a planted false version that it refutes, and rows that decide."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from robust_theory.catalogue import CLAIMS
from tests.planted import PLANTED
from validation.experiment import Options
from validation.experiments import EXPERIMENTS
from validation.experiments import radii as evidence
from validation.verdict import decide

BY_NAME = {experiment.name: experiment for experiment in EXPERIMENTS}
ROW_ALPHA = 1e-4  # about what a row of the quick suite gets of the report's 1 %


def test_every_claim_has_an_experiment_and_every_experiment_a_claim_of_the_catalogue():
    assert {e.claim.name for e in EXPERIMENTS} == {c.name for c in CLAIMS}


def test_every_claim_has_a_planted_false_version():
    assert set(PLANTED) == {claim.name for claim in CLAIMS}


@pytest.mark.parametrize("name", [claim.name for claim in CLAIMS])
def test_the_planted_version_is_violated_and_the_claim_is_not(name):
    planted = PLANTED[name]
    experiment = BY_NAME[planted.experiment]
    assert experiment.claim.name == name
    measured = experiment.measure(planted.parameters, {}, 20180223, ROW_ALPHA)
    words = [
        decide(claim, measured.arguments, measured.evidence, resolution=experiment.resolution).word
        for claim in (planted.falsify(experiment.claim), experiment.claim)
    ]
    # The seed is fixed. Over all seeds, the second word errs with probability ROW_ALPHA at most.
    assert words[0] == "violated"
    assert words[1] != "violated"


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.name)
def test_rows_are_named_once_and_hold_plain_values(experiment):
    rows = experiment.instances(Options())
    assert rows
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert json.loads(json.dumps(row.parameters)) == row.parameters
    assert experiment.reading.endswith(".")


@pytest.mark.parametrize(
    "experiment",
    [e for e in EXPERIMENTS if not any(row.needs for row in e.instances(Options()))],
    ids=lambda e: e.name,
)
def test_exact_models_decide_and_hold(experiment):
    # Seeds are fixed; over all seeds, each row errs with probability ROW_ALPHA at most.
    for row in experiment.instances(Options()):
        measured = experiment.measure(row.parameters, {}, 7, ROW_ALPHA)
        assert measured.evidence.side == "exact"
        verdict = decide(
            experiment.claim,
            measured.arguments,
            measured.evidence,
            theory=measured.theory,
            resolution=experiment.resolution,
        )
        assert verdict.word == "holds", (row.name, verdict)
        assert 0 <= verdict.detectable < math.inf


def test_other_norms_are_refused_by_the_latent_experiments():
    for experiment in EXPERIMENTS:
        trained = experiment.subject != "set_cover" and "trained" in experiment.name
        refused = experiment.subject == "latent" or trained
        assert (experiment.norms == ("l2",)) == refused
        if refused:
            with pytest.raises(ValueError, match="norm must be l2"):
                experiment.instances(Options(norm="linf"))


def test_given_budgets_replace_the_pre_registered_ones():
    experiment = BY_NAME["fooling-probability-of-trained-networks"]
    rows = experiment.instances(Options(eps=("1/3",)))
    assert {row.parameters["eps"] for row in rows} == {"1/3"}


def test_attack_radii_stand_on_their_side_of_the_truth():
    radii = np.array([0.1, 0.2, 0.3, math.inf])
    assert evidence.share_within(radii, 0.25, 0.1, "attack").side == "lower"
    assert evidence.quantile(radii, 0.5, 0.1, "attack").side == "upper"
    seen = evidence.mean(radii, 0.1, "attack")
    assert (seen.side, seen.value, seen.hi, seen.censored) == ("upper", math.inf, math.inf, 1)


def test_a_shorter_attack_radius_never_turns_a_confirmation_around():
    experiment = BY_NAME["fooling-quantile-on-exact-models"]
    claim = experiment.claim
    radii = np.random.default_rng(0).exponential(0.1, 2000)
    seen = evidence.quantile(radii, 0.5, ROW_ALPHA, "attack")
    arguments = {"measures": [0.5, 0.5], "q": 0.5}
    assert decide(claim, arguments, seen).word == "holds"
    weaker = evidence.quantile(20 * radii, 0.5, ROW_ALPHA, "attack")
    assert decide(claim, arguments, weaker).word == "undecided"
    refuting = replace(weaker, side="exact")
    assert decide(claim, arguments, refuting).word == "violated"
