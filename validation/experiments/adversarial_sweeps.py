"""Step and noise of training on stored attacks: anonymous2022's Figures 3 and 4, as tables."""

from __future__ import annotations

from collections.abc import Mapping

from validation.experiment import Json, Options, Progress, Result, Unit
from validation.experiments import pipeline
from validation.experiments.adversarial_networks import ATTACKS, RADIUS, SIZES, seconds
from validation.experiments.cells import LEVEL, share_cell

# As shares of the radius; the paper has 0.2 of 0.3 for both.
PRINTED = 2 / 3
SHARES = (0.0, 1 / 6, 1 / 3, PRINTED, 4 / 3)
PART = 0.15  # of the budget of the large table
IMAGES = 500


def sweep_units(options: Options) -> tuple[Unit, ...]:
    """Two tables, in the full suite."""
    if options.suite != "full":
        return ()
    name = pipeline.data_name(options)
    size = {**SIZES["full"], "looks": 0, "images": IMAGES}
    size["gradients"] = int(PART * SIZES["full"]["gradients"])
    attacks = ATTACKS["quick"]
    tables = []
    for varied, kept in (("noise", "step"), ("step", "noise")):
        units = tuple(
            Unit(
                # Where both are as printed, both tables need the same network.
                f"{name}/sweep-{varied}-{share:.3g}"
                if share != PRINTED
                else f"{name}/sweep-printed",
                "validation.experiments.adversarial_networks:train",
                {
                    **pipeline.source(options),
                    "how": {"function": "train_on_particles", varied: share, kept: PRINTED},
                    "number": 0,
                    "eps": RADIUS.get(options.data, 8 / 255),
                    "attacks": attacks,
                    **size,
                },
                accelerated=True,
                cost=seconds(options, size["gradients"], IMAGES, attacks),
            )
            for share in SHARES
        )
        parameters = {
            "data": name,
            "varied": varied,
            "shares": list(SHARES),
            "keys": [unit.key for unit in units],
            "gradients": size["gradients"],
        }
        function = "validation.experiments.adversarial_sweeps:table"
        tables.append(Unit(f"{name}/sweep-{varied}", function, parameters, units))
    return tuple(tables)


def table(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Accuracies for each size of what is varied."""
    results = [inputs[key] for key in parameters["keys"]]
    rows: list[list[Json]] = []
    for i, name in enumerate(results[0].values["attacks"]):
        rows.append([name, *(share_cell(found.arrays["kept"][i], LEVEL) for found in results)])
    rows.append(["constant", *("yes" if r.values["collapsed"] else "no" for r in results)])
    figure = 3 if parameters["varied"] == "noise" else 4
    return Result(
        {
            "title": f"Figure {figure} of anonymous2022, on {parameters['data']}: accuracy in % "
            f"by the {parameters['varied']}",
            "columns": (
                f"{parameters['varied']} / radius",
                *(f"{share:.3g}" for share in parameters["shares"]),
            ),
            "rows": rows,
            "note": f"{parameters['gradients']} gradients each, with the ramp, one training; the "
            f"other one of the two is {PRINTED:.3g} of the radius. Limits over the images at level "
            f"{LEVEL}, each by itself.",
        }
    )
