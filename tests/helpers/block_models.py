"""Models for fits in blocks, where other processes can import them."""

import os
import signal
from pathlib import Path

import numpy as np

T = np.linspace(0.0, 4.0, 1001)
Y = 3.0 * np.exp(-0.7 * T) + 0.5 + np.random.default_rng(13).normal(scale=0.05, size=T.size)


def decay_residuals(x, rows):
    return x[0] * np.exp(-x[1] * T[rows]) + x[2] - Y[rows]


def decay_jacobian(x, rows):
    decay = np.exp(-x[1] * T[rows])
    return np.stack([decay, -x[0] * T[rows] * decay, np.ones_like(decay)], axis=1)


def peak(t, height, place, width, ground):
    return height * np.exp(-(((t - place) / width) ** 2)) + ground


def line_less_five(x, block):
    """Residuals of one line through blocks of numbers, none of which is block 5."""
    if block == 5:
        raise LookupError("no block 5")
    return x[0] + x[1] * block - np.arange(3.0)


def deadly_peak(folder, t, *p):
    """The peak; the first process that is asked for it off the start is gone without a word."""
    if p[0] != 2.0:
        try:
            Path(folder, "dead").touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return peak(t, *p)
