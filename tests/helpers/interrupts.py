"""Ctrl-C, for tests of what it ends."""

import os
import signal
import threading
from contextlib import contextmanager


@contextmanager
def interrupt_after(seconds):
    """Ctrl-C in a while, once, also where a shell has its background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGINT, before)
