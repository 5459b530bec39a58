"""Random arguments, awkward ones on purpose."""

from fractions import Fraction

from hypothesis import strategies as st

# Ties, zeros, a class above 1/2, one far above all others.
_PARTS = st.one_of(
    st.integers(0, 20),
    st.sampled_from([0, 1, 1, 1, 1000, 10**12, 10**30]),
)


@st.composite
def rational_measures(draw, min_classes=2, max_classes=8):
    """Exact class measures, at least two of them positive."""
    parts = draw(
        st.lists(_PARTS, min_size=min_classes, max_size=max_classes).filter(
            lambda parts: sum(part > 0 for part in parts) >= 2
        )
    )
    return [Fraction(part, sum(parts)) for part in parts]


def budgets(max_eps=40.0):
    """Finite budgets from tiny to far beyond any latent distance.

    No subnormal ones: a double among them is far from the decimal that is printed for it.
    """
    return st.one_of(
        st.floats(0.0, min(3.0, max_eps), allow_subnormal=False),
        st.floats(0.0, max_eps, allow_subnormal=False),
        st.sampled_from([1e-300, 1e-8, 0.1, 0.5]),
    )


def levels():
    """Probabilities strictly between 0 and 1."""
    return st.one_of(
        st.floats(0.01, 0.99),
        st.sampled_from([1e-300, 1e-12, 0.25, 0.5, 0.75, 0.9, 0.999, 0.999999, 1 - 1e-12]),
    )
