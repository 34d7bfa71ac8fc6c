"""No silent wrong number and no false alarm, in families of fits whose right answer is known."""

import numpy as np
import pytest
from trust_models import FAMILIES, VERDICTS, count

from pyminpack import curve_fit

#: Determined by the data, but beyond what a matrix of doubles holds: warned of.
BEYOND_DOUBLES = {"ringing since 1970"}


@pytest.mark.parametrize("name", FAMILIES)
def test_verdict(name):
    kind = FAMILIES[name](np.random.default_rng(0)).kind
    due = "warned" if kind == "undetermined" or name in BEYOND_DOUBLES else "right"
    counts = dict(zip(VERDICTS, count(curve_fit, name, seed=1, number=4), strict=True))
    assert counts == {verdict: 4 * (verdict == due) for verdict in VERDICTS}
