"""Free energies of a network's loss between attacks and certificates.

Large samples enclose the free energy with confidence. What the theory says of it, from small
samples or from the Lipschitz constant, must agree with that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from robust_theory.claim import Interval
from robust_theory.transport import free_energy_bounds, free_energy_limits
from validation.experiment import (
    Experiment,
    Instance,
    Json,
    Measurement,
    Options,
    Progress,
    Result,
    Unit,
)
from validation.experiments import (
    adversarial_sweeps,
    adversarial_tables,
    pipeline,
    transport_tables,
)
from validation.experiments.gibbs_cells import Array
from validation.experiments.network_losses import EPS, FEW, NETWORK, losses_unit
from validation.verdict import Evidence

LAMS = (10, 100)


def _band(sampled: Array, lam: float, greatest: float, level: float) -> Interval:
    """Limits of the free energy, each of which errs with probability `level` at most.

    Losses above those of the first draws are lowered to them for the lower limit, which that does
    not raise and makes tight; the other draws do the rest.
    """
    few, losses = sampled[:FEW], sampled[FEW:]
    cap = float(few.max())
    low = np.minimum(losses, cap)
    scale = -math.expm1(-lam * cap)
    w = np.exp(lam * (low - cap)) * -np.expm1(-lam * low) / scale
    average = min(1.0, max(0.0, math.fsum(w) / w.size))
    less = 1 - free_energy_bounds.bernoulli_upper_limit(1 - average, -math.log(level) / w.size)
    lo = cap + math.log(math.exp(-lam * cap) + less * scale) / lam
    top = max(greatest, float(losses.max()))
    hi = free_energy_bounds.free_energy_upper_limit(losses, lam, level, top)
    return Interval(min(lo, hi), hi)


def _mean_energy(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """The lower limit from few draws, against the enclosure from many others."""
    (found,) = inputs.values()
    sampled, lam = found.arrays["sampled"], parameters["lam"]
    n = len(sampled)
    bands = [
        _band(many, lam, top, alpha / (4 * n))
        for many, top in zip(sampled[:, :-FEW], found.arrays["certified"], strict=True)
    ]
    lo, hi = (float(np.mean([getattr(band, end) for band in bands])) for end in ("lo", "hi"))
    hi = min(hi, float(found.arrays["certified"].mean()))
    seen = Evidence(
        (lo + hi) / 2, lo, hi, "exact", "large samples; certificate", n, alpha=alpha / 2
    )
    few = np.round(sampled[:, -FEW:], 12).tolist()
    return Measurement({"losses": few, "lam": lam, "delta": alpha / 4}, seen)


def _one_energy(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """The upper limit of the image with the greatest certified loss, chosen without its draws."""
    (found,) = inputs.values()
    sampled, lam = found.arrays["sampled"], parameters["lam"]
    i = int(found.arrays["certified"].argmax())
    top = float(found.arrays["certified"][i])
    band = _band(sampled[i, : -10 * FEW], lam, top, alpha / 4)
    seen = Evidence(
        (band.lo + band.hi) / 2, band.lo, band.hi, "exact", "large sample", alpha=alpha / 2
    )
    few = np.round(sampled[i, -10 * FEW :], 12).tolist()
    arguments = {"losses": few, "lam": lam, "delta": alpha / 4, "greatest": top}
    return Measurement(arguments, seen)


def _gap(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """Greatest loss minus free energy, enclosed; the image for which it may be largest."""
    (found,) = inputs.values()
    arrays, lam = found.arrays, parameters["lam"]
    n = len(arrays["sampled"])
    bands = [
        _band(many, lam, top, alpha / (2 * n))
        for many, top in zip(arrays["sampled"], arrays["certified"], strict=True)
    ]
    highest = [float(top) - band.lo for top, band in zip(arrays["certified"], bands, strict=True)]
    i = int(np.argmax(highest))
    low = max(0.0, float(arrays["attacked"][i]) - bands[i].hi)
    seen = Evidence(
        (low + highest[i]) / 2,
        min(low, highest[i]),
        highest[i],
        "exact",
        "attack below, certificate above, large sample",
        n,
        alpha=alpha,
    )
    arguments = {
        "d": found.values["d"],
        "lipschitz": float(arrays["slopes"][i]),
        "eps": EPS,
        "lam": lam,
    }
    return Measurement(arguments, seen)


def _instances(options: Options) -> tuple[Instance, ...]:
    name = pipeline.data_name(options)
    return tuple(
        Instance(f"{name}-{NETWORK}-lam-{lam}", {"lam": lam}, (losses_unit(options),))
        for lam in LAMS
    )


def _table_units(options: Options) -> tuple[Unit, ...]:
    unit = losses_unit(options)
    return (
        Unit(
            f"{pipeline.data_name(options)}/energy-table",
            "validation.experiments.network_energies:table",
            {"data": pipeline.data_name(options)},
            (unit,),
        ),
        *adversarial_tables.table_units(options),
        *adversarial_sweeps.sweep_units(options),
        *transport_tables.table_units(options),
    )


def table(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """From the mean loss on random noise up to what is certified."""
    (found,) = inputs.values()
    sampled, n = found.arrays["sampled"], len(found.arrays["sampled"])
    rows = []
    for lam in LAMS:
        bands = [
            _band(many, lam, top, 0.05 / (2 * n))
            for many, top in zip(sampled, found.arrays["certified"], strict=True)
        ]
        rows.append(
            [
                f"lam {lam}",
                float(sampled.mean()),
                float(np.mean([b.lo for b in bands])),
                float(np.mean([b.hi for b in bands])),
                float(found.arrays["attacked"].mean()),
                float(found.arrays["certified"].mean()),
            ]
        )
    return Result(
        {
            "title": f"Free energies of a network's loss on {parameters['data']}, linf {EPS}",
            "columns": (
                "",
                "mean loss at uniform noise",
                "free energy, from below",
                "free energy, from above",
                "loss under attack",
                "certified loss",
            ),
            "rows": rows,
            "note": f"Means over {n} test images. The limits of the free energies hold together "
            "at level 0.05; the greatest loss lies between the last two columns.",
        }
    )


_LOWER = Experiment(
    name="free-energy-lower-limit-of-a-network",
    claim=free_energy_bounds.FREE_ENERGY_LOWER_LIMIT,
    subject="free_energy_bounds",
    quantity="mean free energy",
    unit="cross-entropy",
    norm="linf",
    reading="Each bar encloses the mean free energy; it must not end below the mark of the theory.",
    x_label="cross-entropy",
    instances=_instances,
    measure=_mean_energy,
    tables=_table_units,
)
EXPERIMENTS: tuple[Experiment, ...] = (
    _LOWER,
    replace(
        _LOWER,
        name="free-energy-upper-limit-of-a-network",
        claim=free_energy_bounds.FREE_ENERGY_UPPER_LIMIT,
        quantity="free energy",
        reading="Each bar encloses the free energy; it must not end above the mark of the theory.",
        measure=_one_energy,
        tables=lambda options: (),
    ),
    replace(
        _LOWER,
        name="free-energy-gap-of-a-network",
        claim=free_energy_limits.FREE_ENERGY_GAP,
        subject="free_energy_limits",
        quantity="greatest loss minus free energy",
        reading="Each bar encloses how far the free energy is below the greatest loss, between an "
        "attack and a certificate; it must not end above the mark of the theory.",
        measure=_gap,
        tables=lambda options: (),
    ),
)
