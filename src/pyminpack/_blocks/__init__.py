"""Fits in blocks of residuals or chunks of data, which are never whole in memory."""

from .driver import BlockResiduals

__all__ = ["BlockResiduals"]
