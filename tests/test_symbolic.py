"""The steps of the proofs that are identities or signs of derivatives, derived by SymPy."""

import pytest
import sympy as sp

a, eps, c, x, t, K = sp.symbols("a varepsilon c x t K", positive=True)
r = sp.Symbol("r", real=True)


def density(y):
    return sp.exp(-(y**2) / 2) / sp.sqrt(2 * sp.pi)


def sf(y):
    return sp.erfc(y / sp.sqrt(2)) / 2


def cdf(y):
    return sf(-y)


def is_zero(expression):
    return sp.simplify(expression.rewrite(sp.erf).expand()) == 0


def test_the_tail_is_the_integral_of_the_density():
    assert is_zero(sp.diff(sf(r), r) + density(r))
    assert sp.limit(sf(r), r, sp.oo) == 0
    assert is_zero(1 - sf(r) - cdf(r))


# Theorem 1: (1) to (2) and (3)


def test_bound_1_of_two_halves_is_the_sharp_bound_2():
    two = 2 * (cdf(0 + eps) - cdf(0))
    assert is_zero(two - sp.erf(eps / sp.sqrt(2)))
    assert is_zero(two - (1 - 2 * sf(eps)))


def test_mills_ratio_is_an_integral_that_decreases():
    # R(r) = int_0^oo exp(-r t - t^2/2) dt: the integrand falls with r for each t > 0.
    integrand = sp.exp(-r * t - t**2 / 2)
    assert is_zero(sp.integrate(integrand, (t, 0, sp.oo)) - sf(r) / density(r))
    assert sp.diff(integrand, r) == -t * integrand


def test_lemma_2_is_the_ratio_of_mills_ratios():
    # sf(a + eps) = sf(a) exp(-a eps - eps^2/2) R(a + eps) / R(a), and R decreases.
    mills = sp.Function("R")
    left = density(r + eps) * mills(r + eps)
    right = density(r) * mills(r) * sp.exp(-r * eps - eps**2 / 2) * mills(r + eps) / mills(r)
    assert sp.simplify(left - right) == 0


def test_summing_lemma_2_over_classes_gives_bounds_2_and_3():
    # With every a_i >= lower bound l: sum c_i C exp(-eps^2/2 - eps l) = C exp(...) as sum c_i = 1.
    C, lower = sp.symbols("C l", positive=True)
    n = sp.Symbol("n", integer=True, positive=True)
    i = sp.Symbol("i", integer=True)
    per_class = C / n * sp.exp(-(eps**2) / 2 - eps * lower)
    summed = sp.summation(per_class, (i, 1, n))
    assert sp.simplify(summed - C * sp.exp(-(eps**2) / 2 - eps * lower)) == 0
    paper_2 = 1 - summed.subs({C: sp.sqrt(sp.pi / 2)}).subs(lower, 0)
    assert sp.simplify(paper_2 - (1 - sp.sqrt(sp.pi / 2) * sp.exp(-(eps**2) / 2))) == 0


def test_the_papers_bound_2_is_vacuous_below_its_root():
    paper = 1 - sp.sqrt(sp.pi / 2) * sp.exp(-(eps**2) / 2)
    assert sp.solve(paper, eps) == [sp.sqrt(sp.log(sp.pi / 2))]
    assert float(sp.sqrt(sp.log(sp.pi / 2))) == pytest.approx(0.671999, abs=1e-6)
    assert sp.simplify(sp.diff(paper, eps)).is_positive


def test_the_explicit_threshold_11():
    # sf(x) >= 1/K at x = sqrt(log(K^2 / (4 pi log K))), from sf >= 2 density / (x + sqrt(x^2 + 4))
    # (Lemma 1) >= density / sqrt(x^2 + 2). Write u = log K and L = log(4 pi u).
    u = sp.Symbol("u", positive=True)
    L = sp.log(4 * sp.pi * u)
    x_squared = 2 * u - L
    scaled = sp.exp(-x_squared / 2) / sp.sqrt(2 * sp.pi) * sp.exp(u)
    assert sp.simplify(scaled - sp.sqrt(2 * u)) == 0
    # So sqrt(2 u) >= sqrt(x^2 + 2) is what is left, and that is L >= 2.
    assert sp.expand(2 * u - (x_squared + 2) - (L - 2)) == 0
    assert sp.diff(L, u).is_positive
    assert L.subs(u, sp.log(5)).evalf() > 2
    # 2 sqrt(x^2 + 2) >= x + sqrt(x^2 + 4): squared, x^2 + 2 >= x sqrt(x^2 + 4); squared, 4 >= 0.
    first = 4 * (x**2 + 2) - sp.expand((x + sp.sqrt(x**2 + 4)) ** 2)
    assert sp.expand(first - 2 * (x**2 + 2 - x * sp.sqrt(x**2 + 4))) == 0
    assert sp.expand((x**2 + 2) ** 2 - x**2 * (x**2 + 4)) == 4


def test_the_derivative_of_what_is_kept():
    # I(c) = sf(a(c) + eps) with dc = -density(a) da: I'(c) = exp(-a eps - eps^2/2), which falls
    # with a and so grows with c: I is convex. The term c - I(c) of bound (1) is concave.
    slope = -density(r + eps) / -density(r)
    assert sp.simplify(slope - sp.exp(-r * eps - eps**2 / 2)) == 0
    assert sp.simplify(sp.diff(slope, r) + eps * slope) == 0
    assert sp.solve(sp.log(slope).expand(force=True), r) == [-eps / 2]  # its peak, Phi(eps/2)


def test_more_equal_classes_are_more_fragile():
    # d/da log(sf(a + eps) / sf(a)) = h(a) - h(a + eps) with the hazard h = density / sf, and
    # h' = h (h - a) > 0 because E(Z - a | Z > a) = h - a is positive.
    hazard = density(r) / sf(r)
    assert is_zero(sp.diff(hazard, r) / hazard - (hazard - r))
    assert is_zero(sp.diff(sp.log(sf(r)), r) + hazard)
    excess = sp.integrate((t - r) * density(t), (t, r, sp.oo)) / sf(r)
    assert is_zero(excess - (hazard - r))


# Theorem 2


def test_theorem_2_is_the_integral_of_the_tail_of_theorem_1():
    term = sp.integrate(sf(r + t), (t, 0, sp.oo))
    assert is_zero(sp.simplify(term - (density(r) - r * sf(r))))


def test_theorem_2_by_its_derivative():
    # d/da of both sides, and both vanish at infinity.
    closed = density(r) - r * sf(r)
    assert is_zero(sp.diff(closed, r) + sf(r))
    assert sp.limit(closed, r, sp.oo) == 0


def test_theorem_2_of_two_halves():
    mean = 2 * (density(r) - r * sf(r)).subs(r, 0)
    assert sp.simplify(mean - sp.sqrt(2 / sp.pi)) == 0


def test_the_bound_on_the_mean_grows_with_a_class():
    # d/dc (density(a) - a c) with dc = -density(a) da.
    assert sp.simplify(sp.diff(density(r) - r * sf(r), r) / -density(r) - sf(r) / density(r)) == 0


def test_the_explicit_bound_of_theorem_2():
    # 2 / (x + sqrt(x^2 + 4)) <= 1 / sqrt(x^2 + 1): squared, x^2 <= x sqrt(x^2 + 4).
    gap = sp.expand((x + sp.sqrt(x**2 + 4)) ** 2) - 4 * (x**2 + 1)
    assert sp.expand(gap - 2 * (x * sp.sqrt(x**2 + 4) - x**2)) == 0
    assert sp.expand(x**2 * (x**2 + 4) - x**4).is_positive
    # 1 / sqrt(x^2 + 1) <= L / sqrt(2 u) with x^2 + 1 = 2 u - L + 1 means L^2 (2 u - L + 1) >= 2 u,
    # true from L >= 1: (L^2 - 1) 2 u >= L^2 (L - 1) as soon as 2 u (L + 1) >= L^2.
    L, u = sp.symbols("L u", positive=True)
    difference = L**2 * (2 * u - L + 1) - 2 * u
    assert sp.expand(difference - (L - 1) * (2 * u * (L + 1) - L**2)) == 0
    at = sp.log(4 * sp.pi * u)
    slack = 2 * u - at
    assert sp.solve(sp.diff(slack, u), u) == [sp.Rational(1, 2)]
    assert slack.subs(u, sp.log(5)).evalf() > 0
    assert at.subs(u, sp.log(5)).evalf() > 1


# Theorems 3, 5 and the other latent laws


def test_parallel_half_spaces_attain_the_transfer_bound():
    s = sp.Symbol("s", positive=True)
    delta = cdf(s) - sp.Rational(1, 2)
    bound = 1 - delta - sf(0 + eps) - sf(-s + eps)
    exact = sp.Rational(1, 2) - cdf(s - eps) + cdf(eps) - cdf(s)
    assert is_zero(bound - exact)


@pytest.mark.parametrize("alpha", [1, 2, 3])
def test_the_moments_of_theorem_5(alpha):
    # int sf(a + t) d t^alpha = E max(Z - a, 0)^alpha, by parts.
    by_tail = sp.integrate(sf(r + t) * alpha * t ** (alpha - 1), (t, 0, sp.oo))
    moment = sp.integrate(t**alpha * density(r + t), (t, 0, sp.oo))
    assert is_zero(sp.simplify(by_tail - moment))


def test_the_cube_map_stretches_most_at_its_centre():
    side = sp.Symbol("s", positive=True)
    slope = sp.diff(side * cdf(r), r)
    assert sp.simplify(slope - side * density(r)) == 0
    assert sp.solve(sp.diff(slope, r), r) == [0]
    assert sp.simplify(slope.subs(r, 0) - side / sp.sqrt(2 * sp.pi)) == 0


def test_balanced_classes_under_a_cheeger_constant():
    # F(b) = 1 - exp(-b)/2 for b >= 0, and F(b) = 1 - c: the growth is c (1 - exp(-h eps)).
    h = sp.Symbol("h", positive=True)
    b = -sp.log(2 * c)
    grown = (1 - sp.exp(-(b + h * eps)) / 2) - (1 - sp.exp(-b) / 2)
    assert sp.simplify(grown - c * (1 - sp.exp(-h * eps))) == 0


def test_nearest_neighbours_halve_the_radius():
    # |g(z) - g(z*)| <= |g(z) - x| + |x - g(z*)| <= (2 + eta) |g(z) - x|.
    eta, v = sp.symbols("eta v", positive=True)
    assert sp.expand(v + (1 + eta) * v - (2 + eta) * v) == 0
