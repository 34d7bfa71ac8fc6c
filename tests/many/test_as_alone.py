"""What is done to several fits at a time leaves each the fit that `leastsq` makes of it alone."""

import numpy as np
import pytest
from batches import many

from pyminpack import leastsq, leastsq_many

pytestmark = [pytest.mark.bundled, pytest.mark.usefixtures("isa")]

BATCHES = 60
KINDS = [
    "ordinary", "linear", "equal columns", "column of zeros", "tiny or huge", "scales",
    "start at 0", "solved", "not finite", "wild", "odd start",
]  # fmt: skip


def residuals(x, a, y, curvature, scale):
    with np.errstate(all="ignore"):
        u = a @ x
        r = np.where(curvature * np.abs(u) > 300, np.nan, np.sin(curvature * u) + u - y)
        return scale * r


def jacobian(x, a, _y, curvature, scale):
    with np.errstate(all="ignore"):
        return scale * (a * (curvature * np.cos(curvature * (a @ x)) + 1)[:, None])


def problem(kind, rng, m, n):
    """A start, and the data of a fit."""
    t = np.linspace(-1, 1, m)
    a = np.polynomial.chebyshev.chebvander(t, n - 1) + 0.3 * rng.normal(size=(m, n))
    x0, scale = rng.normal(size=n), 1.0
    curvature = 0.0 if kind == "linear" else 8.0 if kind == "wild" else rng.choice([0.3, 1.0, 3.0])
    if kind == "equal columns":
        a[:, -1] = a[:, 0]
    elif kind == "column of zeros":
        a[:, rng.integers(n)] = 0.0
    elif kind == "tiny or huge":
        scale = 10.0 ** rng.choice([-300, -160, -150, 150, 155, 300])
    elif kind == "scales":
        a *= 10.0 ** rng.uniform(-160, 160, n)
    elif kind == "start at 0":
        x0[:] = 0.0
    elif kind == "odd start":
        x0[rng.integers(n)] = rng.choice([1e-200, 1e12, -1e8])
    truth = x0 if kind == "solved" else x0 + rng.normal(size=n) * rng.choice([0.1, 1.0, 5.0])
    y = residuals(truth, a, np.zeros(m), curvature, 1.0)
    if kind == "not finite":
        y[rng.integers(m)] = rng.choice([np.nan, np.inf, 1e300])
    return x0, a, y, curvature, np.array(scale)


def options(rng, n):
    chosen = {}
    if rng.random() < 0.3:
        chosen["diag"] = rng.uniform(0.1, 10.0, n)
    if rng.random() < 0.3:
        chosen["factor"] = rng.choice([0.1, 1.0, 10.0])
    if rng.random() < 0.2:
        chosen["gtol"] = rng.choice([1e-8, 0.5])
    if rng.random() < 0.2:
        chosen["maxfev"] = int(rng.integers(1, 30))
    return chosen


@pytest.mark.parametrize("dfun", [None, jacobian], ids=["differences", "analytic"])
def test_mixed_batches(dfun):
    """Protects the path of each fit from all others, of any kind, in batches of one to nine."""
    seen = set()
    for batch in range(BATCHES):
        rng = np.random.default_rng(batch)
        n, count = int(rng.integers(1, 15)), int(rng.integers(1, 10))
        m, chosen = n + int(rng.integers(0, 30)), options(rng, n)
        with np.errstate(all="ignore"):
            fits = [problem(rng.choice(KINDS), rng, m, n) for _ in range(count)]
            x0, *data = (np.array(each) for each in zip(*fits, strict=True))
            together = leastsq_many(
                many(residuals), x0, Dfun=dfun and many(dfun), data=data, **chosen
            )
            for k, (start, *rows) in enumerate(fits):
                x, _, info, _, ier = leastsq(
                    residuals, start, tuple(rows), dfun, full_output=True, **chosen
                )
                seen.add(ier)
                np.testing.assert_array_equal(together.popt[k], x, err_msg=f"{batch}, {k}")
                assert (together.ier[k], together.nfev[k]) == (ier, info["nfev"]), (batch, k)
    assert seen >= {1, 2, 3, 4, 5, 9}
