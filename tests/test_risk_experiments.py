"""The limit for a data set, and classifiers against it: sides, exact numbers, wrong data."""

import gzip
import itertools
import struct
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from empirical.attacks.errors import error_distance
from empirical.exact import linear_radius
from empirical.points import LabelledPoints, load_points
from robust_theory.risks.multiclass import MulticlassRisk, optimal_risk_multiclass
from robust_theory.risks.risk import OptimalRisk, optimal_risk
from robust_theory.risks.set_cover import mass_and_rest, set_cover_risk
from tests.test_experiments import BY_NAME, ROW_ALPHA
from validation import report
from validation.cli import main
from validation.experiment import Options, Result
from validation.experiments import classifiers, own_data, three_classes, trained_risk
from validation.rows import plan
from validation.verdict import decide

RNG = np.random.default_rng(3)


def silent(fraction, words):
    pass


def save(tmp_path, **arrays):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays)
    return path


def judged(name, parameters, inputs):
    experiment = BY_NAME[name]
    measured = experiment.measure(parameters, inputs, 1, ROW_ALPHA)
    verdict = decide(
        experiment.claim,
        measured.arguments,
        measured.evidence,
        theory=measured.theory,
        resolution=experiment.resolution,
    )
    return measured, verdict.word


# ------------------------------------------------------------------- points from files


def test_digits_are_their_sixteenths():
    points = load_points("digits")
    assert (points.X.shape, points.X.dtype, points.scale) == ((1797, 8, 8), np.uint8, 16)
    assert points.X.max() == 16


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_images_are_bytes_also_after_a_division(tmp_path, kind):
    X = RNG.integers(0, 256, (20, 3, 4)).astype(np.uint8)
    y = np.arange(20) % 3
    stored = X if kind is np.uint8 else X.astype(kind) / kind(255)
    points = load_points(save(tmp_path, X=stored, y=y))
    assert points.scale == 255
    assert points.X.dtype == np.uint8
    assert (points.X == X).all()
    # A single number that is none of them, and they are what they are.
    if kind is not np.uint8:
        stored[0, 0, 0] = 0.1234
        other = load_points(save(tmp_path, X=stored, y=y))
        assert other.scale == 1
        assert (stored == other.X).all()


@pytest.mark.parametrize("X", [RNG.normal(size=(9, 4)), RNG.integers(-5, 5, (9, 2)), np.arange(9)])
def test_other_numbers_stay_as_they_are(tmp_path, X):
    points = load_points(save(tmp_path, X=X, y=np.array(list("abcabcabc"))))
    assert points.scale == 1
    assert (points.X == X).all()
    assert set(points.y) == set("abc")


def idx(array):
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def test_idx_files_alone_or_by_name(tmp_path):
    X, y = RNG.integers(0, 256, (6, 3, 2)), np.arange(6) % 3
    images = tmp_path / "train-images-idx3-ubyte.gz"
    images.write_bytes(gzip.compress(idx(X)))
    with pytest.raises(FileNotFoundError, match="train-labels-idx1-ubyte or"):
        load_points(images)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(y))
    for points in (load_points(images), load_points("mnist", str(tmp_path))):
        assert points.scale == 255
        assert (points.X[:, 0] == X).all()
        assert (points.y == y).all()


def test_parquet(tmp_path):
    import io

    import pyarrow
    from PIL import Image
    from pyarrow import parquet

    X = RNG.integers(0, 256, (4, 5, 6, 3)).astype(np.uint8)
    cells = []
    for picture in X:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG")
        cells.append({"bytes": buffer.getvalue()})
    path = tmp_path / "mine.parquet"
    parquet.write_table(pyarrow.table({"img": cells, "label": [0, 1, 1, 0]}), path)
    points = load_points(path)
    assert (X.transpose(0, 3, 1, 2) == points.X).all()
    assert points.y.tolist() == [0, 1, 1, 0]


GOOD_X, GOOD_Y = np.arange(12.0).reshape(6, 2), np.arange(6) % 2
WRONG = {
    "NaN": ({"X": np.where(GOOD_X == 7, np.nan, GOOD_X), "y": GOOD_Y}, "finite, got NaN .* row 3"),
    "infinity": ({"X": GOOD_X * [1, np.inf], "y": GOOD_Y}, "must be finite"),
    "one class": ({"X": GOOD_X, "y": 0 * GOOD_Y + 4}, "at least two different labels, got 4 only"),
    "names": ({"x": GOOD_X, "Y": GOOD_Y}, "lacks the array X"),
    "no labels": ({"X": GOOD_X}, "lacks the array y"),
    "sizes": ({"X": GOOD_X, "y": GOOD_Y[:5]}, r"each of the 6 points of X, got shape \(5,\)"),
    "columns of y": ({"X": GOOD_X, "y": GOOD_Y[:, None]}, r"got shape \(6, 1\)"),
    "a number": ({"X": 1.0, "y": GOOD_Y}, r"shape \(n, ...\), and no axis of 0, got \(\)"),
    "no points": ({"X": GOOD_X[:0], "y": GOOD_Y[:0]}, "no axis of 0"),
    "no dimension": ({"X": GOOD_X[:, :0], "y": GOOD_Y}, "no axis of 0"),
    "complex": ({"X": GOOD_X * 1j, "y": GOOD_Y}, "integers or floats, got complex128"),
    "text": ({"X": GOOD_X.astype(str), "y": GOOD_Y}, "integers or floats, got <U"),
    "objects": ({"X": GOOD_X.astype(object), "y": GOOD_Y}, "Object arrays cannot be loaded"),
    "fractions": ({"X": GOOD_X, "y": GOOD_Y / 2}, "integers or text, got fractions or NaN"),
    "NaN labels": ({"X": GOOD_X, "y": GOOD_Y + np.nan}, "integers or text, got fractions or NaN"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_data_are_one_line_and_status_2(tmp_path, monkeypatch, capsys, name):
    arrays, message = WRONG[name]
    path = save(tmp_path, **arrays)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        load_points(path)
    assert main(["run", "optimal-risk", f"--data={path}", "--eps=1", "--jobs=0"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith(f"validate: {path}")
    assert not (tmp_path / "validation-runs").exists()


def test_data_that_are_not_there(tmp_path, capsys):
    for name in ("mnist", "nonsense", str(tmp_path / "none.npz")):
        assert main(["run", "optimal-risk", f"--data={name}", "--jobs=0"]) == 2
        assert capsys.readouterr().err.count("\n") == 1


# ------------------------------------------------------------------- the limit


def limit(points, eps, norm, monkeypatch):
    monkeypatch.setattr(own_data, "load_points", lambda *_: points)
    parameters = {"data": "x", "data_dir": None, "norm": norm, "eps": eps}
    return own_data.least_risk(parameters, {}, 0, silent)


@pytest.mark.parametrize(
    ("norm", "eps", "risk"),
    [
        ("l2", "0.9", "242/1797"),
        ("l2", "1", "1013/3594"),
        ("linf", "0.3", "55/1797"),
        ("linf", "0.32", "147/1797"),
    ],
)
def test_the_limits_of_the_digits(norm, eps, risk, monkeypatch):
    found = limit(load_points("digits"), eps, norm, monkeypatch)
    assert Fraction(found.values["lower"]) == Fraction(found.values["upper"]) == Fraction(risk)
    parameters = {"norm": norm, "eps": eps}
    measured, word = judged("optimal-risk", parameters, {"digits/least-risk": found})
    assert word == "holds"
    assert measured.evidence.lo == measured.evidence.hi == float(Fraction(risk))
    # The claim's own arguments say the same.
    assert set_cover_risk(**measured.arguments) == float(Fraction(risk))
    # 1797 points of weight 1/1797: the limit less sqrt(log(20) / (2 * 1797)), 95 % confidence.
    slack = np.sqrt(np.log(20) / (2 * 1797))
    expected = max(0.0, float(Fraction(risk)) - slack)
    assert found.values["population"] == pytest.approx(expected, abs=1e-15)


def line(labels, places):
    return LabelledPoints(np.array(places), np.array(labels), 1, "all points")


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12)), min_size=2, max_size=9),
    st.sampled_from(["1", "1/2", "1.5", "2"]),
    st.sampled_from(["l2", "linf", "l1"]),
)
def test_two_classes_against_all_sets_that_a_classifier_may_get_right(drawn, eps, norm):
    labels, places = zip(*drawn, strict=True)
    if len(set(labels)) < 2:
        return
    points = line(labels, places)
    result = own_data._solve(points, eps, norm)
    best = 0
    for kept in itertools.product((False, True), repeat=len(drawn)):
        chosen = [k for k in range(len(drawn)) if kept[k]]
        best = max(
            best,
            len(chosen)
            * all(
                labels[i] == labels[j] or abs(places[i] - places[j]) > 2 * Fraction(eps)
                for i, j in itertools.combinations(chosen, 2)
            ),
        )
    assert isinstance(result, OptimalRisk)
    assert result.lower == 1 - Fraction(best, len(drawn))
    mass, rest = mass_and_rest(result)
    assert 1 - mass - rest == result.lower


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=3, max_size=12))
def test_the_cover_of_several_classes_is_the_bound(drawn):
    labels, places = zip(*drawn, strict=True)
    for degree in (2, 3):
        found = optimal_risk_multiclass(np.array(places), np.array(labels), "1", degree=degree)
        mass, rest = mass_and_rest(found)
        assert 1 - mass - rest == found.lower


def test_sets_of_three_are_used_where_they_are_few(monkeypatch):
    points = line([0, 1, 2], [0, 0, 0])
    for most, lower in ((own_data.TRIPLES, "2/3"), (0, "1/2")):
        monkeypatch.setattr(own_data, "TRIPLES", most)
        assert limit(points, "1", "l2", monkeypatch).values["lower"] == lower
    # In l1 there is no other bound than that of pairs.
    assert limit(points, "1", "l1", monkeypatch).values["lower"] == "1/2"


def test_a_proof_that_fails_is_an_error(monkeypatch):
    def spoiled(*arguments, **more):
        found = optimal_risk(*arguments, **more)
        return replace(found, matching=found.matching[:0], mass=found.mass[:0])

    monkeypatch.setattr(own_data, "optimal_risk", spoiled)
    with pytest.raises(ArithmeticError, match="the cover"):
        limit(line([0, 1], [0, 1]), "1", "l2", monkeypatch)


def test_two_points_that_coincide_and_an_eps_without_conflict(monkeypatch):
    values = limit(line([0, 1, 1], [5, 5, 9]), "0", "l2", monkeypatch).values
    assert (values["lower"], values["upper"]) == ("1/3", "1/3")
    found = limit(line([0, 1], [0, 9]), "1", "l2", monkeypatch)
    assert found.values["lower"] == "0"
    assert judged("optimal-risk", {}, {"x": found})[1] == "vacuous"


@pytest.fixture
def mine(tmp_path):
    X = np.rint(8 * RNG.normal(size=(60, 2))) + 6 * (np.arange(60) % 3)[:, None]
    return save(tmp_path, X=X, y=np.arange(60) % 3 * 2), X, np.arange(60) % 3


def test_a_run_prints_and_reports_the_limits_and_the_class_matrix(mine, tmp_path, capsys):
    path, X, y = mine
    words = ["run", "optimal-risk", f"--data={path}", "--norm=linf", "--eps=1/2, 1.5,2"]
    assert main([*words, "--jobs=0", f"--out={tmp_path / 'run'}"]) == 0
    out = capsys.readouterr().out
    found = report.load(tmp_path / "run")
    summary, *matrices = found["tables"]
    assert [row[0] for row in summary["rows"]] == ["1/2", "1.5", "2"]
    for cells, matrix in zip(summary["rows"], matrices, strict=True):
        eps = cells[0]
        exact = optimal_risk_multiclass(X, y, eps, "linf", degree=None)
        if cells[1] is not None:
            assert Fraction(cells[1]) == exact.lower
        assert Fraction(cells[2]) <= exact.lower <= exact.upper <= Fraction(cells[3])
        assert Fraction(cells[3]) - Fraction(cells[2]) <= Fraction(1, 10**6)
        assert cells[2] in out
        assert matrix["columns"] == ["", "0", "2", "4"]
        for a, b in itertools.permutations(range(3), 2):
            pair = optimal_risk(X[y == a], X[y == b], eps, "linf")
            assert matrix["rows"][a][1 + b] == float(pair.risk)
    assert "(linf)" in summary["title"]
    assert (tmp_path / "run" / "report.html").read_text("utf-8").count("<table") >= 4
    # It is continued, and rebuilt, like any other.
    again = [*words, "--jobs=0", f"--out={tmp_path / 'run'}", "--resume"]
    assert main(again) == 0
    assert report.compare(found, report.load(tmp_path / "run")) == []


def test_eps_is_exact_from_the_command_line_to_the_threshold(tmp_path, capsys):
    # Bytes 16 apart: in doubles 2 * (8 / 255) need not reach 16/255 of a difference.
    path = save(tmp_path, X=np.array([[0], [16]], np.uint8), y=np.arange(2))
    words = ["run", "optimal-risk", f"--data={path}", "--norm=linf", "--jobs=0"]
    assert main([*words, "--eps=8/255,7.9999999999999999e-3/1", f"--out={tmp_path / 'a'}"]) == 2
    assert "--eps must be a number" in capsys.readouterr().err
    assert main([*words, "--eps=8/255,0.0313725490196078431", f"--out={tmp_path / 'a'}"]) == 0
    rows = {row[0]: row[1] for row in report.load(tmp_path / "a")["tables"][0]["rows"]}
    assert rows == {"8/255": "1/2", "0.0313725490196078431": "0"}
    assert main([*words, "--eps=0.5,1/2"]) == 2
    assert "name each number once, got '0.5' and '1/2'" in capsys.readouterr().err


def test_many_classes_have_no_matrix(monkeypatch):
    points = line(range(own_data.MOST_CLASSES + 1), range(own_data.MOST_CLASSES + 1))
    monkeypatch.setattr(own_data, "load_points", lambda *_: points)
    parameters = {"data": "x", "data_dir": None, "norm": "l2", "eps": "1"}
    made = own_data.class_pairs(parameters, {}, 0, silent).values
    assert made["rows"] == []
    assert "Left out: 21 classes" in made["note"]


def test_decimals_are_rounded_to_their_side():
    third = Fraction(1, 3)
    assert own_data.decimal(third, "ROUND_FLOOR") == "0.333333"
    assert own_data.decimal(third, "ROUND_CEILING") == "0.333334"
    assert own_data.decimal(Fraction(0), "ROUND_CEILING") == "0"
    assert own_data.decimal(Fraction(1, 2), "ROUND_CEILING") == "0.5"
    assert own_data.decimal(Fraction(10**30 + 1, 2 * 10**30), "ROUND_CEILING") == "0.500001"


# ------------------------------------------------------------------- norms


def test_a_norm_refuses_only_what_is_asked_for():
    everything = plan((), Options(norm="linf"))
    names = {row.experiment.name for row in everything.rows}
    assert "optimal-risk" in names
    assert "fooling-quantile-of-trained-networks" not in names
    assert everything.tables
    refused = ("latent-fooling-quantile", "fooling-quantile-of-trained-networks")
    row = f"{refused[1]}/digits-mlp-at-0.5"
    for name in (*refused, row):
        with pytest.raises(ValueError, match=f"--norm must be l2 for '{name}', got 'linf'"):
            plan([name], Options(norm="linf"))
        assert plan([name], Options()).rows
    with pytest.raises(ValueError, match="did you mean 'optimal-risk'"):
        plan(["optimal-rsk"], Options(norm="linf"))


def test_a_run_says_what_a_norm_leaves_out(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("validation.commands.execute", lambda *_, **__: 1 / 0)
    assert main(["run", "--norm=l1", "--jobs=0", f"--out={tmp_path / 'run'}"]) == 3
    assert "experiments do not take --norm l1: left out" in capsys.readouterr().err


# ------------------------------------------------------------------- trained networks


def trained(lo, hi, lower):
    """Results of a network whose risk lies between lo and hi, on a sample with that limit."""
    n = 1000
    radii = {"seen": np.where(np.arange(n) < lo * n, 0.5, np.inf)}
    radii["proved"] = np.where(np.arange(n) < hi * n, 0.0, 2.0)
    values = {"lower": lower, "mass": lower, "rest": str(1 - 2 * Fraction(lower))}
    return {
        "limit": Result(values),
        "curve": Result({}, {"eps": np.linspace(0, 1, 5), "limit": np.linspace(0, 0.3, 5)}),
        "radii": Result({}, radii),
    }


@pytest.mark.parametrize(
    ("lo", "hi", "word"),
    [
        (0.4, 1.0, "holds"),  # an attack shows more errors than the limit
        (0.1, 1.0, "undecided"),  # it shows fewer, which is no contradiction
        (0.1, 0.2, "violated"),  # a certificate shows that there are no more
        (0.3, 0.3, "holds"),
    ],
)
def test_only_a_certificate_can_contradict_the_limit(lo, hi, word):
    parameters = {"network": "mlp", "norm": "l2", "eps": "1"}
    inputs = trained(lo, hi, "3/10")
    measured, found = judged("sample-risk-of-trained-networks", parameters, inputs)
    assert found == word
    assert (measured.evidence.lo, measured.evidence.hi) == (lo, hi)
    assert measured.curve.lo[-1] == lo
    assert measured.curve.hi[-1] == hi
    assert measured.curve.observed == measured.curve.lo


def test_an_attack_within_a_certificate_is_an_error():
    parameters = {"network": "mlp", "norm": "l2", "eps": "1"}
    with pytest.raises(ArithmeticError, match="an attack finds"):
        judged("sample-risk-of-trained-networks", parameters, trained(0.5, 0.4, "3/10"))


def affine(d, classes):
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(d, classes)).double()


@pytest.mark.parametrize("norm", ["l2", "linf", "l1"])
def test_an_affine_classifier_is_attacked_at_its_exact_distance(norm):
    network, x = affine(6, 2), RNG.uniform(0.4, 0.6, (40, 6))
    with torch.no_grad():
        logits = network(torch.from_numpy(x)).numpy()
    label = logits.argmax(1)
    found = error_distance(network, x, label, norm, bounds=(-9.0, 9.0))
    weight = network[1].weight.detach().numpy()
    slope = weight[1] - weight[0]
    dual = np.linalg.norm(slope, {"l2": 2, "linf": 1, "l1": np.inf}[norm])
    exact = np.abs(logits[:, 1] - logits[:, 0]) / dual
    assert (found >= exact * (1 - 1e-12)).all()
    assert (found <= exact * 1.01).all()  # an overshoot of 5 %, halved ten times
    assert (error_distance(network, x, 1 - label, norm) == 0).all()
    if norm == "l2":
        proved = trained_risk.margins(network, logits, label)
        assert (proved <= linear_radius(weight, network[1].bias.detach().numpy(), x).upper).all()
        assert proved == pytest.approx(exact, rel=1e-6)


def test_the_attack_stays_in_the_box_and_gives_up():
    network, x = affine(4, 2), RNG.uniform(0, 1, (30, 4))
    with torch.no_grad():
        label = network(torch.from_numpy(x)).numpy().argmax(1)
    free = error_distance(network, x, label, bounds=(-99.0, 99.0))
    # Ten halvings leave a thousandth; a smaller box takes away some of the ways.
    for bounds in ((0.0, 1.0), (float(x.min()), float(x.max()))):
        assert (error_distance(network, x, label, bounds=bounds) >= free / 1.002).all()
    corner = np.zeros((1, 4))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]))
        network[1].bias.copy_(torch.tensor([0.5, 0.0]))
    assert np.isinf(error_distance(network, corner, np.zeros(1, int))).all()  # 0 <= x only helps
    assert np.isfinite(error_distance(network, corner, np.zeros(1, int), bounds=(-1, 1))).all()
    constant = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).double()
    nn.init.zeros_(constant[1].weight)
    with torch.no_grad():
        constant[1].bias.copy_(torch.tensor([1.0, 0.0]))
    assert np.isinf(error_distance(constant, x, np.zeros(30, int))).all()
    with pytest.raises(ValueError, match="norm must be"):
        error_distance(network, x, label, "l3")


def test_certified_distances_are_below_what_an_attack_finds():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)
    ).double()
    x = RNG.uniform(0, 1, (60, 5))
    with torch.no_grad():
        logits = network(torch.from_numpy(x)).numpy()
    label = logits.argmax(1)
    proved = trained_risk.margins(network, logits, label)
    assert (proved > 0).all()
    assert (proved <= error_distance(network, x, label, bounds=(-50.0, 50.0))).all()
    assert (trained_risk.margins(network, logits, (label + 1) % 3) == 0).all()
    # Without a last affine layer the constant of the whole network counts, once for each logit.
    wrapped = nn.Sequential(network, nn.LeakyReLU(1.0))
    whole = trained_risk.margins(wrapped, logits, label)
    assert (whole <= proved * (1 + 1e-6)).all()
    assert (whole > 0).all()
    unknown = nn.Sequential(network, nn.Softmax(dim=1))
    assert (trained_risk.margins(unknown, logits, label) == 0).all()


# ------------------------------------------------------------------- other classifiers


@pytest.mark.parametrize("norm", ["l2", "linf", "l1"])
def test_the_nearest_neighbour_rule_on_the_line_between_both_ends(norm, monkeypatch):
    # Neighbours of the other class at distances 2, 3, 3 and 5; half of them is the radius.
    points = line([0, 1, 0, 1], [0, 2, 5, 10])
    monkeypatch.setattr(own_data, "load_points", lambda *_: points)
    for eps, lo, hi in (("0.9", 0, 0), ("1.1", 0.5, 0.5), ("1.6", 0.75, 0.75), ("3", 1, 1)):
        parameters = {"data": "x", "data_dir": None, "norm": norm, "eps": eps}
        found = classifiers.nearest(parameters, {}, 0, silent).values
        assert (found["lo"], found["hi"]) == (lo, hi)
    # Half-way there it may go either way, so both ends stand apart.
    found = classifiers.nearest({**parameters, "eps": "1"}, {}, 0, silent).values
    assert (found["lo"], found["hi"]) == (0, 0.5)


@pytest.mark.parametrize("norm", ["l2", "linf", "l1"])
def test_the_optimal_classifier_attains_the_limit(norm, monkeypatch):
    draw = np.random.default_rng(8)
    for _ in range(8):
        X = draw.integers(0, 12, (40, 2))
        points = LabelledPoints(X, draw.integers(0, 3, 40), 1, "all points")
        monkeypatch.setattr(own_data, "load_points", lambda *_, points=points: points)
        parameters = {"data": "x", "data_dir": None, "norm": norm, "eps": "1.5"}
        found = classifiers.optimal(parameters, {}, 0, silent)
        values = found.values
        assert values["lo"] == values["hi"]
        name = "sample-risk-of-the-optimal-classifier-on-data"
        assert judged(name, parameters, {"x": found})[1] == "holds"
        # One conflict fewer, and the limit is another one, or the cover was not the least.
        fewer = Result({**values, "conflicts": []})
        assert judged(name, parameters, {"x": fewer})[1] == "violated"


# ------------------------------------------------------------------- three classes


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=3))
def test_discs_meet_as_conflict_sets_do(centres):
    X = np.array(centres)
    for eps in ("1.9", "2.6", "3.3"):
        found = optimal_risk_multiclass(X, [0, 1, 2], eps, degree=3)
        assert isinstance(found, MulticlassRisk)
        pairs = [
            three_classes._discs_meet(X[[i, j]], float(eps)) for i, j in ((0, 1), (0, 2), (1, 2))
        ]
        together = three_classes._discs_meet(X, float(eps))
        # All three together: two of three are lost; a triangle of pairs: half; one or two: a third.
        lost = Fraction(2, 3) if together else Fraction([0, 1, 1, Fraction(3, 2)][sum(pairs)], 3)
        assert abs(found.lower - lost) < Fraction(1, 10**9)
