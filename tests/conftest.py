"""One thread per process and fixed random draws: a test that passes today passes tomorrow."""

import os

# Before numpy and torch are loaded. Sums depend on the number of threads, and the workers share
# the cores already.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
# New draws every time, and more of them: HYPOTHESIS_PROFILE=explore make test
settings.register_profile("explore", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="module")
def fake():
    """A report with every verdict in it."""
    from tests.made_report import fake_about, fake_outcomes
    from validation import report

    return report.assemble(fake_about(), fake_outcomes())


@pytest.fixture(scope="module")
def written(fake, tmp_path_factory):
    """The directory that it was written to."""
    from validation import report

    directory = tmp_path_factory.mktemp("report")
    report.write(fake, directory)
    return directory
