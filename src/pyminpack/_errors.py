"""Warnings of our own."""

__all__ = ["OptimizeWarning"]


class OptimizeWarning(UserWarning):
    """A fit that came to an end, with a result that needs a second look.

    Examples
    --------
    >>> import warnings
    >>> from pyminpack import OptimizeWarning, curve_fit
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", OptimizeWarning)
    ...     try:
    ...         curve_fit(lambda t, a, b: a + b*t, [0.0, 1.0], [1.0, 3.0])
    ...     except OptimizeWarning as warning:
    ...         print(str(warning).partition(":")[0])
    Covariance of the parameters could not be estimated
    """
