"""Large fits: the path of the classic way, without its memory, and not alone in the process."""

import sys
import threading
import tracemalloc

import numpy as np
import pytest
import slow

from pyminpack import _classic, _minpack, leastsq

EPS = 2.0**-52


class Peaks:
    """A sum of peaks and an offset, fitted to noisy data: n = 3 peaks + 1."""

    def __init__(self, m, peaks):
        rng = np.random.default_rng([m, peaks])
        self.m, self.n = m, 3 * peaks + 1
        self.t = np.linspace(0.0, peaks, m)
        self.x = np.concatenate(
            [
                rng.uniform(1.0, 3.0, peaks),
                np.arange(peaks) + rng.uniform(0.4, 0.6, peaks),
                rng.uniform(0.12, 0.25, peaks),
                [0.5],
            ]
        )
        self.data = self.model(self.x) + 0.01 * rng.standard_normal(m)
        self.start = self.x + rng.uniform(-0.03, 0.03, self.n)  # of the order of a width

    def parts(self, x):
        height, centre, width = x[:-1].reshape(3, -1)
        u = (self.t[:, None] - centre) / width
        return u, np.exp(-0.5 * u * u), height, width

    def model(self, x):
        _, shape, height, _ = self.parts(x)
        return shape @ height + x[-1]

    def residual(self, x):
        return self.model(x) - self.data

    def jacobian(self, x):
        u, shape, height, width = self.parts(x)
        slope = shape * u * height / width
        return np.hstack([shape, slope, slope * u, np.ones((self.m, 1))])


class Decays:
    """A sum of exponential decays, whose rates lie apart: n = 2 decays."""

    def __init__(self, m, decays):
        rng = np.random.default_rng([m, decays])
        self.m, self.n = m, 2 * decays
        self.t = np.geomspace(0.01, 100.0, m)
        rates = 30.0 * 10.0 ** -np.arange(decays, dtype=float)
        self.x = np.concatenate([rng.uniform(1.0, 3.0, decays), rates])
        self.data = self.model(self.x) + 0.001 * rng.standard_normal(m)
        self.start = self.x * rng.uniform(0.8, 1.2, self.n)

    def model(self, x):
        height, rate = x.reshape(2, -1)
        return np.exp(-self.t[:, None] * rate) @ height

    def residual(self, x):
        return self.model(x) - self.data

    def jacobian(self, x):
        height, rate = x.reshape(2, -1)
        shape = np.exp(-self.t[:, None] * rate)
        return np.hstack([shape, -self.t[:, None] * shape * height])


class Linear:
    """A linear model with a Jacobian that is there, once for all."""

    def __init__(self, m, n):
        rng = np.random.default_rng([m, n])
        self.j = rng.standard_normal((m, n))
        self.data = rng.standard_normal(m)
        self.start = np.ones(n)

    def residual(self, x):
        return self.j @ x - self.data

    def jacobian(self, x):
        return self.j


FITS = {
    f"{kind.__name__} {m} x {kind(m, parts).n}": (kind, m, parts)
    for kind, m, parts in [
        (Decays, 249, 2),  # 996 elements of J: in place
        (Decays, 250, 2),  # 1000: by rows
        (Decays, 167, 3),
        (Decays, 20_000, 3),
        (Peaks, 99, 3),  # 990
        (Peaks, 100, 3),
        (Peaks, 20_000, 3),
        (Peaks, 300, 10),  # n = 31: lmpar by rotations, as below 48
        (Peaks, 300, 11),  # by blocks
        (Peaks, 500, 15),  # n = 46: pivots in place
        (Peaks, 500, 16),  # by blocks
        (Peaks, 2000, 30),
    ]
}


def arguments(fit, way, x0=None):
    """Those of `solve`, with SciPy's defaults."""
    jacobian, col_deriv = {
        "differences": (None, False),
        "rows": (fit.jacobian, False),
        "columns": (lambda x: np.ascontiguousarray(fit.jacobian(x).T), True),
    }[way]
    start = fit.start if x0 is None else x0
    options = _minpack.Options(ftol=2.0**-26, xtol=2.0**-26)
    return fit.residual, start, (), jacobian, True, col_deriv, options, None


WAYS = pytest.mark.parametrize("way", ["differences", "rows", "columns"])


@WAYS
@pytest.mark.parametrize("name", FITS)
def test_same_path_as_classic(name, way):
    """Protects the path: info, nfev, njev, and the solution as closely as J tells it.

    In variables that make J's columns one long, rounding errors of n eps in J move a step by as
    much times the condition of J. Differences of numbers as large as the data, for x that differ in
    the last bit, differ by eps of those numbers over √eps x; such an error in J moves the solution
    by as much times f, which a last step is shorter than.
    """
    kind, m, parts = FITS[name]
    fit = kind(m, parts)
    x, info, *_, nfev, njev, fvec, fjac, ipvt, qtf, cov_x = _minpack.solve(*arguments(fit, way))
    expected = _classic.solve(*arguments(fit, way))
    assert info in {1, 2, 3}
    assert (info, nfev, njev) == (expected[1], *expected[5:7])

    j = fit.jacobian(x)
    norms = np.linalg.norm(j, axis=0)
    condition = np.linalg.cond(j / norms)
    assert condition < 20.0
    allowed = 10 * fit.n * EPS * slow.enorm(norms * x)
    if way == "differences":
        error = np.sqrt(EPS) * slow.enorm(fit.data) / np.abs(norms * x).min()
        allowed += error * slow.enorm(fvec)
    assert slow.enorm(norms * (x - expected[0])) <= condition * allowed
    np.testing.assert_allclose(fvec, fit.residual(x), rtol=0.0, atol=0.0)

    n = fit.n
    np.testing.assert_array_equal(ipvt, expected[9])
    r, classic_r = np.triu(fjac.T[:n]), np.triu(expected[8].T[:n])
    turned = np.sign(np.diag(r) * np.diag(classic_r))
    # R is of the Jacobian before the last step; the model's curvature enters, below 10 here.
    share = 10 * condition * (error if way == "differences" else 10 * n * EPS)
    assert np.abs(r * turned[:, None] - classic_r).max() <= share * norms.max()
    assert np.abs(qtf * turned - expected[10]).max() <= share * slow.enorm(fvec)
    np.testing.assert_allclose(cov_x, expected[11], rtol=share, atol=share * cov_x.max())


@pytest.mark.bundled  # with the original there is more below R
@pytest.mark.parametrize(("m", "n"), [(2000, 10), (300, 33), (200, 60)])
def test_fjac_in_infodict(m, n):
    """Protects what `infodict` promises: R in rows, from the largest on, and nothing beside it."""
    fit = Linear(m, n)
    _, cov_x, infodict, *_ = leastsq(fit.residual, fit.start, Dfun=fit.jacobian, full_output=True)
    fjac, p = infodict["fjac"], infodict["ipvt"] - 1
    assert fjac.shape == (n, m)
    assert (infodict["ipvt"].dtype, infodict["qtf"].shape) == (np.intc, (n,))
    np.testing.assert_array_equal(fjac, np.tril(fjac))
    assert (np.diff(np.abs(np.diag(fjac))) <= 0.0).all()
    r, j = fjac.T[:n], fit.j[:, p]
    scale = 10 * n * EPS * slow.enorm(fit.j.ravel()) ** 2
    assert np.abs(r.T @ r - j.T @ j).max() <= scale
    # (JᵀJ)⁻¹ JᵀJ: the condition of J, squared, is below 100 here.
    assert np.abs(cov_x @ (fit.j.T @ fit.j) - np.eye(n)).max() <= 100 * 10 * n * EPS


LAYOUTS = {
    "rows": (np.ascontiguousarray, False),
    "rows by columns": (np.asfortranarray, False),
    "columns": (lambda j: np.ascontiguousarray(j.T), True),
    "columns by rows": (lambda j: np.asfortranarray(j.T), True),
    "every other": (lambda j: np.repeat(np.repeat(j, 2, axis=0), 2, axis=1)[::2, ::2], False),
}


def peak(function):
    """The most memory that a call had at a time, in numbers; numpy and _minpack report theirs."""
    function()
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1] / 8
    finally:
        tracemalloc.stop()


class TestMemory:
    """O(m + n²) beside the user's J, and one m by n array where J is made or shown."""

    M, N = 20_000, 60

    def allowed(self):
        """Six vectors of residuals: two of ours, func's own and its temporaries; then scratch."""
        return 6 * self.M + 300 * (self.N + 16) + 5 * (self.N + 16) ** 2 + 10_000

    @pytest.mark.bundled
    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize("full_output", [False, True])
    def test_jacobian_of_the_user_is_not_copied(self, layout, full_output):
        """Protects large Jacobians, in the layout that the user has them; fjac is asked for."""
        fit = Linear(self.M, self.N)
        lay_out, col_deriv = LAYOUTS[layout]
        j = lay_out(fit.j)
        j.setflags(write=False)
        options = {"Dfun": lambda x: j, "col_deriv": col_deriv, "full_output": full_output}
        used = peak(lambda: leastsq(fit.residual, fit.start, **options))
        whole = self.M * self.N
        assert self.allowed() < 0.2 * whole
        assert used < self.allowed() + full_output * whole
        np.testing.assert_array_equal(j.T if col_deriv else j, fit.j)

    @pytest.mark.bundled
    @pytest.mark.parametrize("full_output", [False, True])
    def test_difference_jacobian_is_kept_once(self, full_output):
        """Protects the same where J is made here: the one that is shown is the one that is used."""
        fit = Linear(self.M, self.N)
        used = peak(lambda: leastsq(fit.residual, fit.start, full_output=full_output))
        assert used < self.allowed() + self.M * self.N


@WAYS
def test_concurrent_fits(way):
    """Protects threads: while one has let go of the GIL, others fit, each with its own state."""
    fit = Peaks(2000, 16)
    _, *expected = alone = _minpack.solve(*arguments(fit, way))
    found = [None] * 4

    def run(i):
        found[i] = _minpack.solve(*arguments(fit, way))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert expected[0] in {1, 2, 3}
    for results in found:
        for mine, other in zip(results, alone, strict=True):
            np.testing.assert_array_equal(mine, other)


@pytest.mark.bundled
def test_others_run_during_a_factorisation():
    """Protects the rest of the process: between Dfun and func the GIL is free.

    Nobody has to give it up before 100 s are over, so the other thread, which asks for it every
    0.1 ms, gets it from this one only where it is let go: the factorisation takes some 0.1 s.
    """
    fit = Linear(30_000, 100)
    seen = []
    count = 0
    overtaken = False
    done = threading.Event()

    def other():
        nonlocal count
        while not done.wait(1e-4):
            count += 1

    def residual(x):
        seen.append(count)
        return fit.data

    def jacobian(x):
        seen.append(count)
        return fit.j

    thread = threading.Thread(target=other)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(100.0)
    try:
        thread.start()
        for _ in range(20):  # a busy system may not run the other thread in any one of them
            seen.clear()
            leastsq(residual, fit.start, Dfun=jacobian, maxfev=1, full_output=True)
            assert len(seen) == 3  # func, Dfun, func
            overtaken = overtaken or seen[1] < seen[2]
    finally:
        done.set()
        sys.setswitchinterval(interval)
        thread.join()
    assert overtaken
