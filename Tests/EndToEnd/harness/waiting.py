"""Waiting for conditions, never for time."""

import time

# Seconds after which what has not happened is taken not to: far more than it needs, for a busy machine proves nothing.
PATIENCE = 45


def wait_for(condition, what, seconds=PATIENCE, pause=0.1):
    """Returns the first true value of `condition()`; fails, naming `what` (or `what()`) and the last value, after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what() if callable(what) else what}; last seen: {value!r}")
        time.sleep(pause)
