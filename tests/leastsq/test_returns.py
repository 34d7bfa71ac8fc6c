"""What `leastsq` returns: x, cov_x and infodict, with their shapes, dtypes and meaning."""

import mpmath
import numpy as np
import pytest
from fits import (
    DECAY_START,
    ENDINGS,
    EPS,
    NOISY_DECAY,
    TIMES,
    Recorder,
    decay,
    decay_jacobian,
    decay_jacobian_columns,
)

from pyminpack import leastsq

ENDING = pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())


def gaussian(x):
    """Residuals of a peak on a sloping ground: N = 5."""
    height, centre, width, ground, slope = x
    return height * np.exp(-(((TIMES - centre) / width) ** 2)) + ground + slope * TIMES


def gaussian_jacobian(x):
    """Jacobian of `gaussian`, (12, 5)."""
    height, centre, width, _, _ = x
    offset = (TIMES - centre) / width
    peak = np.exp(-(offset**2))
    toward = 2.0 * height * peak * offset / width
    return np.stack([peak, toward, toward * offset, np.ones(12), TIMES], axis=1)


PEAK_DATA = gaussian([2.0, 1.5, 0.8, 0.5, -0.2]) + 0.05 * np.sin(7.0 * TIMES)
# Of differences; a power of two, so that its square and the root of that are exact.
RELATIVE_STEP = 2.0**-24
POWERS = np.vander(TIMES / 4.0, 4)
UNITS = np.array([1e-12, 1.0, 1e12, 1e3])
# (func, Dfun, x0): well conditioned; one variable; polynomial; in hostile units; five variables.
SMOOTH = {
    "decay": (decay, decay_jacobian, [1.0, 1.0]),
    "mean": (lambda x: x[0] - NOISY_DECAY, lambda x: np.ones((12, 1)), [1.0]),
    "cubic": (lambda x: POWERS @ x - NOISY_DECAY, lambda x: POWERS, np.zeros(4)),
    "hostile units": (
        lambda x: POWERS @ (x * UNITS) - NOISY_DECAY,
        lambda x: POWERS * UNITS,
        np.zeros(4),
    ),
    "peak": (lambda x: gaussian(x) - PEAK_DATA, gaussian_jacobian, [1.5, 1.4, 1.0, 0.4, 0.0]),
}
SMOOTH_FITS = pytest.mark.parametrize(
    ("func", "derivative", "x0"), SMOOTH.values(), ids=SMOOTH.keys()
)


def factors(info):
    """R and the permutation, counted from 0, out of an infodict."""
    n = info["qtf"].size
    return np.triu(info["fjac"].T[:n]), info["ipvt"] - 1


def assert_factored(info, jacobian, residual):
    """J P = Q R and qtf = Qᵀf, by the products that do not need Q.

    Householder's QR has a backward error of c·m·n·eps per column (Higham, Accuracy and Stability
    of Numerical Algorithms, theorem 19.4), so the columns are compared at their own scale.
    """
    r, order = factors(info)
    m, n = jacobian.shape
    pivoted = jacobian[:, order]
    norms = np.linalg.norm(pivoted, axis=0)
    bound = 10 * m * n * EPS
    scaled = (r.T @ r - pivoted.T @ pivoted) / np.outer(norms, norms)
    assert np.abs(scaled).max() <= bound
    gradient = (r.T @ info["qtf"] - pivoted.T @ residual) / norms
    assert np.abs(gradient).max() <= bound * np.linalg.norm(residual)


class TestShapes:
    @pytest.mark.parametrize("derivative", [None, decay_jacobian], ids=["differences", "Dfun"])
    def test_two_values(self, derivative):
        """Protects the plain call: x and ier, nothing else."""
        x, ier = leastsq(decay, DECAY_START, Dfun=derivative)
        assert type(x) is np.ndarray
        assert (x.dtype, x.shape) == (np.float64, (2,))
        assert x.flags.writeable
        assert type(ier) is int

    @ENDING
    def test_full_output(self, ending):
        """Protects the five values, and each entry's shape and dtype, however the fit ends."""
        x, cov_x, info, mesg, ier = leastsq(
            ending.func, ending.x0, full_output=True, **ending.options
        )
        n, m = len(ending.x0), ending.func(np.array(ending.x0)).size
        assert (x.dtype, x.shape) == (np.float64, (n,))
        assert cov_x is None or (cov_x.dtype, cov_x.shape) == (np.float64, (n, n))
        assert type(mesg) is str
        assert type(ier) is int
        expected = {"nfev", "fvec", "fjac", "ipvt", "qtf"}
        assert set(info) == expected | ({"njev"} if "Dfun" in ending.options else set())
        assert isinstance(info["nfev"], int)
        assert isinstance(info.get("njev", 0), int)
        assert (info["fvec"].dtype, info["fvec"].shape) == (np.float64, (m,))
        assert (info["fjac"].dtype, info["fjac"].shape) == (np.float64, (n, m))
        assert info["fjac"].flags.c_contiguous
        assert (info["ipvt"].dtype, info["ipvt"].shape) == (np.int32, (n,))
        assert sorted(info["ipvt"]) == list(range(1, n + 1))
        assert (info["qtf"].dtype, info["qtf"].shape) == (np.float64, (n,))

    @pytest.mark.parametrize("x0", [1.0, [1.0], [[1.0]]], ids=repr)
    @pytest.mark.parametrize("full_output", [False, True])
    def test_one_variable_is_still_a_vector(self, x0, full_output):
        """Protects x.shape == (1,), which SciPy's releases handle differently."""
        x = leastsq(lambda x: x[0] - NOISY_DECAY, x0, full_output=full_output)[0]
        assert x.shape == (1,)

    def test_results_are_the_callers_own(self):
        """Protects every array returned: no two share memory, and none is shared with x0."""
        x0 = np.array([3.0, 0.7])
        x, cov_x, info, _, _ = leastsq(decay, x0, full_output=True)
        arrays = [x0, x, cov_x, *(a for a in info.values() if isinstance(a, np.ndarray))]
        assert not any(
            np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[i + 1 :]
        )


class TestDefined:
    @ENDING
    def test_no_uninitialised_memory(self, ending):
        """Protects every entry on every return: the same numbers whatever lay in memory."""

        def fit(rubbish):
            blocks = [np.full(size, rubbish) for size in range(1, 80) for _ in range(4)]
            del blocks
            return leastsq(ending.func, ending.x0, full_output=True, **ending.options)

        first, second = fit(1.2345e300), fit(-6.789e-300)
        np.testing.assert_array_equal(first[0], second[0])
        for key, value in first[2].items():
            np.testing.assert_array_equal(value, second[2][key], err_msg=key)

    @pytest.mark.parametrize("name", ["0 ftol", "0 factor, Dfun", "0 empty x0", "9 at the start"])
    def test_no_jacobian_yet(self, name):
        """Protects the returns before a first Jacobian: zeros, and the order as it stands."""
        ending = ENDINGS[name]
        x, cov_x, info, _, _ = leastsq(ending.func, ending.x0, full_output=True, **ending.options)
        np.testing.assert_array_equal(x, ending.x0)
        assert cov_x is None
        assert info["nfev"] == 1
        assert info.get("njev", 0) == 0
        np.testing.assert_array_equal(info["fvec"], ending.func(np.array(ending.x0)))
        assert not info["fjac"].any()
        assert not info["qtf"].any()
        np.testing.assert_array_equal(info["ipvt"], np.arange(1, len(ending.x0) + 1))


class TestInfodict:
    @ENDING
    def test_fvec_belongs_to_x(self, ending):
        """Protects fvec: the residuals at the x returned, also of an unsuccessful fit."""
        x, _, info, _, _ = leastsq(ending.func, ending.x0, full_output=True, **ending.options)
        np.testing.assert_array_equal(info["fvec"], ending.func(x))

    @ENDING
    def test_counts_are_the_calls(self, ending):
        """Protects nfev and njev: all calls of func, differences included, and of Dfun."""
        options = dict(ending.options)
        func = Recorder(ending.func)
        if "Dfun" in options:
            options["Dfun"] = Recorder(options["Dfun"])
        info = leastsq(func, ending.x0, full_output=True, **options)[2]
        assert info["nfev"] == func.count
        if "Dfun" in options:
            assert info["njev"] == options["Dfun"].count

    @pytest.mark.parametrize("derivative", [None, decay_jacobian], ids=["differences", "Dfun"])
    def test_func_is_called_at_the_start_once(self, derivative):
        """Protects expensive models: finding out M costs no call of its own."""
        func = Recorder(decay)
        leastsq(func, DECAY_START, Dfun=derivative)
        assert sum(np.array_equal(x, DECAY_START) for x in func.points) == 1
        np.testing.assert_array_equal(func.points[0], DECAY_START)

    @SMOOTH_FITS
    def test_factors_of_the_last_analytic_jacobian(self, func, derivative, x0):
        """Protects fjac, ipvt and qtf against the Jacobian that Dfun returned last."""
        dfun = Recorder(derivative)
        _, _, info, _, ier = leastsq(func, x0, Dfun=dfun, full_output=True)
        assert ier in {1, 2, 3, 4}
        assert_factored(info, dfun.values[-1], func(dfun.points[-1]))
        r, order = factors(info)
        norms = np.linalg.norm(dfun.values[-1][:, order], axis=0)
        for k in range(len(order)):
            # Pivoting: no column left to the right is longer than the one chosen, up to rounding.
            rest = np.linalg.norm(r[k:, k:], axis=0)
            assert rest.max() <= abs(r[k, k]) + 100 * EPS * norms.max()

    @pytest.mark.parametrize("name", ["decay", "peak", "mean"])
    def test_factors_of_the_last_difference_jacobian(self, name):
        """Protects the same for differences, whose quotients are formed again from the calls."""
        model, _, x0 = SMOOTH[name]
        n = len(x0)
        func = Recorder(model)
        _, _, info, _, ier = leastsq(func, x0, epsfcn=RELATIVE_STEP**2, full_output=True)
        assert ier in {1, 2, 3, 4}
        base, first = last_differences(func, n)
        x, residual = func.points[base], func.values[base]
        steps = RELATIVE_STEP * np.abs(x)
        jacobian = np.stack(
            [(func.values[first + j] - residual) / steps[j] for j in range(n)], axis=1
        )
        assert_factored(info, jacobian, residual)


def last_differences(func, n):
    """The call at the last Jacobian's own point, and the first of its n difference calls."""

    def is_difference(j, call, base):
        x = func.points[base].copy()
        x[j] += RELATIVE_STEP * abs(x[j])
        return np.array_equal(func.points[call], x)

    for first in range(func.count - n, 0, -1):
        for base in range(first):
            if all(is_difference(j, first + j, base) for j in range(n)):
                return base, first
    raise AssertionError("no differences among the calls")


def scaled_inverse(jacobian):
    """(D⁻¹JᵀJD⁻¹)⁻¹ with D the column norms, in 60 digits; those norms; the condition of J·D⁻¹."""
    norms = np.linalg.norm(jacobian, axis=0)
    with mpmath.workdps(60):
        exact = mpmath.matrix(jacobian.tolist())
        inverse = mpmath.inverse(exact.T * exact)
        scaled = [
            [float(inverse[i, j] * norms[i] * norms[j]) for j in range(norms.size)]
            for i in range(norms.size)
        ]
    return np.array(scaled), norms, np.linalg.cond(jacobian / norms)


def covariance_at_rest(jacobian):
    """cov_x of a linear fit that starts at its solution, so that J is exactly what it is."""
    jacobian = np.asarray(jacobian, dtype=float)
    below = np.zeros((1, jacobian.shape[1]))
    matrix = np.vstack([jacobian, below])
    rest = np.zeros(matrix.shape[0])
    rest[-1] = 1.0
    x0 = np.zeros(matrix.shape[1])
    _, cov_x, info, _, ier = leastsq(
        lambda x: matrix @ x + rest, x0, Dfun=lambda x: matrix, full_output=True
    )
    assert ier == 4
    return cov_x, info


class TestCovariance:
    @SMOOTH_FITS
    @pytest.mark.parametrize("by_columns", [False, True])
    def test_inverse_of_the_normal_matrix(self, func, derivative, x0, by_columns):
        """Protects cov_x against JᵀJ inverted in 60 digits, at each variable's own scale."""
        dfun = Recorder(derivative)
        cov_x = leastsq(
            func,
            x0,
            Dfun=(lambda x: dfun(x).T) if by_columns else dfun,
            col_deriv=by_columns,
            full_output=True,
        )[1]
        exact, norms, condition = scaled_inverse(dfun.values[-1])
        np.testing.assert_array_equal(cov_x, cov_x.T)
        # First-order perturbation: QR's backward error times twice the condition number.
        bound = 10 * dfun.values[-1].size * EPS * condition * np.abs(exact).max()
        assert np.abs(cov_x * np.outer(norms, norms) - exact).max() <= bound

    @pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
    @pytest.mark.parametrize("seed", range(5))
    def test_random_jacobians(self, n, seed):
        """Protects the permutation and the symmetry, for pivots in any order."""
        rng = np.random.default_rng([seed, n])
        jacobian = rng.normal(size=(n + seed, n)) * 10.0 ** rng.uniform(-8, 8, size=n)
        cov_x, _ = covariance_at_rest(jacobian)
        exact, norms, condition = scaled_inverse(jacobian)
        np.testing.assert_array_equal(cov_x, cov_x.T)
        bound = 10 * jacobian.size * EPS * condition * np.abs(exact).max()
        assert np.abs(cov_x * np.outer(norms, norms) - exact).max() <= bound

    @pytest.mark.parametrize("scale", [[1.0, 1.0], [2.0**100, 2.0**-100], [2.0**-300, 2.0**300]])
    @pytest.mark.parametrize(
        ("height", "singular"),
        [(0.0, True), (2.0**-53, True), (1.9 * EPS, True), (4.0 * EPS, False), (1e-10, False)],
    )
    def test_rank_test_does_not_depend_on_the_units(self, scale, height, singular):
        """Protects the bound N·eps on |R_kk| over the norm of its own column, N = 2.

        The columns are (1, 0) and (1, height): R_22 is height, in any order of the pivots.
        """
        cov_x, _ = covariance_at_rest(np.array([[1.0, 1.0], [0.0, height]]) * scale)
        assert (cov_x is None) == singular

    @pytest.mark.parametrize(
        "jacobian",
        [
            np.zeros((3, 2)),
            [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]],
            [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]],
            [[1.0, 2e12], [2.0, 4e12], [3.0, 6e12]],
            [[1e-200, 1e100], [2e-200, 2e100]],
            [[1.0, 2.0, 3.0], [4.0, 5.0, 9.0], [7.0, 8.0, 15.0], [1.0, 0.0, 1.0]],
            np.outer(np.arange(1.0, 8.0), [1.0, 2.0, 3.0]),
        ],
        ids=["zeros", "zero column", "twins", "twins, scaled", "twins, far", "sum", "rank 1"],
    )
    def test_none_where_singular(self, jacobian):
        """Protects against the 1e31 that SciPy returns for parameters that cannot be told apart."""
        cov_x, _ = covariance_at_rest(jacobian)
        assert cov_x is None

    @ENDING
    def test_none_unless_the_fit_succeeds(self, ending):
        """Protects cov_x: a matrix where `ier` is 1 … 4, and None everywhere else."""
        cov_x = leastsq(ending.func, ending.x0, full_output=True, **ending.options)[1]
        assert (cov_x is not None) == (ending.ier in {1, 2, 3, 4})

    def test_matches_differences_and_columns(self):
        """Protects one covariance for all ways to the Jacobian."""
        by_rows = leastsq(decay, DECAY_START, Dfun=decay_jacobian, full_output=True)[1]
        by_columns = leastsq(
            decay, DECAY_START, Dfun=decay_jacobian_columns, col_deriv=True, full_output=True
        )[1]
        by_differences = leastsq(decay, DECAY_START, full_output=True)[1]
        np.testing.assert_array_equal(by_columns, by_rows)
        # The quotients are good to sqrt(eps) = 1.5e-8 relative to their columns.
        np.testing.assert_allclose(by_differences, by_rows, rtol=1e-6)
