"""judge: what becomes of a trial. Exact numbers: all of these are sums of few powers of two, or the
rounded result of the one operation that is written beside them."""

import math

import numpy as np
import parts
import pytest
import slow
from hypothesis import given, settings
from hypothesis import strategies as st


def judge(fnorm=2.0, trial=1.0, pnorm=0.5, prered=1.0, dirder=-1.0, delta=2.0, par=4.0):
    """(delta, par), (actred, ratio), accepted"""
    delta, par, actred, ratio, accepted = parts.judge(
        fnorm, trial, pnorm, prered, dirder, delta, par
    )
    return (delta, par), (actred, ratio), accepted


HALF_THE_NORM = 0.75  # actred of the default trial: 1 - (1/2)²


class TestGoodModel:
    """A ratio of at least 0.75: the region is twice the step, and par is halved."""

    def test_perfect(self):
        """Protects the growth: from the step, not from the region it was inside of."""
        assert judge(prered=HALF_THE_NORM) == ((1.0, 2.0), (0.75, 1.0), 1)

    def test_better_than_promised(self):
        """Protects against an upper limit on the ratio."""
        assert judge(prered=0.25) == ((1.0, 2.0), (0.75, 3.0), 1)

    def test_on_the_threshold(self):
        """Protects >= against >."""
        assert judge(prered=1.0) == ((1.0, 2.0), (0.75, 0.75), 1)

    def test_without_damping(self):
        """Protects the Gauss-Newton step: par stays zero."""
        assert judge(prered=HALF_THE_NORM, par=0.0) == ((1.0, 0.0), (0.75, 1.0), 1)

    def test_region_can_shrink_to_twice_the_step(self):
        """Protects the same rule where the step was much shorter than the region."""
        assert judge(prered=HALF_THE_NORM, delta=64.0)[0] == (1.0, 2.0)


class TestFairModel:
    """A ratio between 0.25 and 0.75."""

    @pytest.mark.parametrize("prered", [math.nextafter(1.0, 2.0), 1.5, math.nextafter(3.0, 0.0)])
    def test_region_is_kept(self, prered):
        """Protects region and par from a change without cause."""
        assert judge(prered=prered) == ((2.0, 4.0), (0.75, 0.75 / prered), 1)

    @pytest.mark.parametrize("prered", [math.nextafter(1.0, 2.0), 1.5, math.nextafter(3.0, 0.0)])
    def test_region_follows_a_step_without_damping(self, prered):
        """Protects the other half of the rule: where par = 0, delta was never the bound."""
        assert judge(prered=prered, par=0.0) == ((1.0, 0.0), (0.75, 0.75 / prered), 1)


class TestPoorModel:
    """A ratio of at most 0.25, the sum of squares no larger: half the region, accepted or not."""

    def test_on_the_threshold(self):
        """Protects <= against <."""
        assert judge(prered=3.0) == ((1.0, 8.0), (0.75, 0.25), 1)

    def test_region_is_first_cut_to_ten_steps(self):
        """Protects the second bound: half of ten times the step where that is less."""
        assert judge(prered=3.0, delta=1000.0)[0] == (2.5, 8.0)

    def test_without_damping(self):
        """Protects par = 0: there is nothing to enlarge."""
        assert judge(prered=3.0, par=0.0)[0] == (1.0, 0.0)

    def test_barely_accepted(self):
        """Protects >= 1e-4 against >."""
        assert 0.75 / 7500.0 == 1e-4
        assert judge(prered=7500.0) == ((1.0, 8.0), (0.75, 1e-4), 1)

    def test_barely_refused(self):
        """Protects the lower side of that threshold."""
        ratio = 0.75 / 7500.1
        assert judge(prered=7500.1) == ((1.0, 8.0), (0.75, ratio), 0)

    def test_no_change(self):
        """Protects the fixed point: a step that changes nothing is refused."""
        assert judge(trial=2.0) == ((1.0, 8.0), (0.0, 0.0), 0)

    @pytest.mark.parametrize("trial", [0.0, 1.0, 2.0])
    def test_nothing_promised(self, trial):
        """Protects against a division by zero: the ratio is zero, whatever was gained."""
        _, (actred, ratio), accepted = judge(trial=trial, prered=0.0, dirder=0.0)
        assert (actred, ratio, accepted) == (1.0 - trial**2 / 4.0, 0.0, 0)


class TestWorse:
    """The sum of squares grew: the minimum of the parabola, between a tenth and a half."""

    def test_parabola(self):
        """Protects its formula: actred = -3, so 0.5 / (1 + 1.5) of the region."""
        outcome = judge(trial=4.0)
        assert outcome == ((0.2 * 2.0, 4.0 / 0.2), (-3.0, -3.0), 0)

    def test_slope_counts(self):
        """Protects dirder in it: 2 / (4 + 2)."""
        third = 2.0 / 6.0
        assert judge(fnorm=1.0, trial=math.sqrt(5.0), dirder=-4.0)[0] == pytest.approx(
            (third * 2.0, 4.0 / third),
            rel=2.0**-50,  # the root, its square, the quotients
        )

    def test_no_less_than_a_tenth(self):
        """Protects against a collapse of the region: 0.125 / 1.75 is less."""
        assert judge(trial=4.0, dirder=-0.25) == ((0.1 * 2.0, 4.0 / 0.1), (-3.0, -3.0), 0)

    def test_no_slope(self):
        """Protects the same where the parabola has its minimum at x itself."""
        assert judge(trial=4.0, prered=0.0, dirder=0.0) == ((0.2, 40.0), (-3.0, 0.0), 0)

    def test_hardly_worse(self):
        """Protects the other end: a parabola all but symmetric about half the step."""
        trial = math.nextafter(2.0, 3.0)
        (delta, par), (actred, _), accepted = judge(trial=trial)
        assert -5e-16 < actred < 0.0
        assert (delta, par, accepted) == (pytest.approx(1.0), pytest.approx(8.0), 0)

    def test_region_is_first_cut_to_ten_steps(self):
        """Protects the second bound here, too."""
        assert judge(trial=4.0, delta=1000.0)[0][0] == 0.2 * 5.0


class TestHopeless:
    """Ten times the norm: a tenth of the region. actred is -1, whose parabola would say a third."""

    @pytest.mark.parametrize("trial", [20.0, 21.0, 1e300])
    def test_region_is_a_tenth(self, trial):
        """Protects against a parabola through numbers that say nothing of the model."""
        assert judge(trial=trial) == ((0.1 * 2.0, 4.0 / 0.1), (-1.0, -1.0), 0)

    def test_just_below_ten_times(self):
        """Protects < against <=: here the numbers still count."""
        _, (actred, _), accepted = judge(trial=math.nextafter(20.0, 0.0))
        assert actred == pytest.approx(-99.0)
        assert accepted == 0


class TestWithoutAValue:
    """A trial where f is not defined: refused by intent, and the region is a quarter."""

    @pytest.mark.parametrize("trial", [math.inf, math.nan])
    def test_region_is_a_quarter(self, trial):
        """Protects both ways of having no value from being told apart."""
        assert judge(trial=trial) == ((0.25 * 2.0, 4.0 / 0.25), (-1.0, -1.0), 0)

    @pytest.mark.parametrize("trial", [math.inf, math.nan])
    def test_region_is_first_cut_to_ten_steps(self, trial):
        """Protects the second bound here, too."""
        assert judge(trial=trial, delta=1000.0)[0][0] == 0.25 * 5.0

    @pytest.mark.parametrize("trial", [math.inf, math.nan])
    @pytest.mark.parametrize("prered", [0.0, 1e-300, 1e300, math.inf, math.nan])
    def test_no_promise_makes_it_acceptable(self, trial, prered):
        """Protects against a comparison with NaN that comes out true."""
        (delta, par), (actred, _), accepted = judge(trial=trial, prered=prered, dirder=-prered)
        assert (delta, par, actred, accepted) == (0.5, 16.0, -1.0, 0)


@pytest.mark.parametrize("unit", [2.0**-1000, 2.0**-500, 2.0**500, 2.0**1000])
@pytest.mark.parametrize("trial", [0.0, 1.0, 1.75, 2.0, 3.0, 20.0])
def test_unit_of_the_residuals_does_not_matter(unit, trial):
    """Protects the quotient of the norms from the over- and underflow of their squares."""
    assert judge(fnorm=2.0 * unit, trial=trial * unit) == judge(trial=trial)


@pytest.mark.parametrize("unit", [2.0**-1000, 2.0**-500, 2.0**500, 2.0**1000])
@pytest.mark.parametrize("trial", [0.0, 1.0, 1.75, 2.0, 3.0, 20.0])
def test_unit_of_the_variables_does_not_matter(unit, trial):
    """Protects delta, which lives in the units of D x."""
    (delta, par), *rest = judge(trial=trial, pnorm=0.5 * unit, delta=2.0 * unit)
    (plain, same_par), *same = judge(trial=trial)
    assert (delta / unit, par, rest) == (plain, same_par, same)


positive = st.floats(1e-12, 1e12)


@given(positive, st.floats(0.0, 15.0), positive, st.floats(0.0, 10.0), st.floats(0.5, 1.0),
       positive, st.just(0.0) | positive)  # fmt: skip
@settings(derandomize=True, deadline=None, max_examples=500)
def test_agrees_with_the_slow_twin(fnorm, growth, pnorm, prered, share, delta, par):
    """Protects every branch at once: the same operations in the same order, so the same bits."""
    given_numbers = (fnorm, growth * fnorm, pnorm, prered, -share * prered, delta, par)
    np.testing.assert_array_equal(parts.judge(*given_numbers), slow.judge(*given_numbers))
