"""Waiting for conditions, never for time."""

import time


def wait_for(condition, what, seconds=20, pause=0.1):
    """Returns the first true value of `condition()`; fails, naming `what` (or `what()`) and the last value, after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what() if callable(what) else what}; last seen: {value!r}")
        time.sleep(pause)
