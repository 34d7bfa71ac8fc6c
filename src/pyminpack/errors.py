"""What pyminpack warns of."""

__all__ = ["OptimizeWarning"]


class OptimizeWarning(UserWarning):
    """A fit ended, but something about its result is not what it seems."""
