"""False versions of every claim, each with the exact case on which it must be refuted.

A check that cannot fail proves nothing. So for every claim of the catalogue this table names an
experiment, a case for it, and a neighbouring statement that is false there. Where some model
attains the claim, it is the case, and the false version is sharper by a tenth only.
"""

from tests.planted import networks, risks, transport, vulnerability, wasserstein
from tests.planted.changes import Planted

PLANTED: dict[str, Planted] = {
    **vulnerability.PLANTED,
    **risks.PLANTED,
    **networks.PLANTED,
    **transport.PLANTED,
    **wasserstein.PLANTED,
}
