"""Waiting for what must come true, instead of sleeping and hoping."""
import time

# Two busy cores under a sanitizer are slow; a test that passes never waits this long.
PATIENCE_SECONDS = 20
PAUSE_SECONDS = 0.005


def wait_until(holds, what="", seconds=PATIENCE_SECONDS, pause_seconds=PAUSE_SECONDS):
    """Returns what `holds()` returns as soon as that is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        outcome = holds()
        if outcome:
            return outcome
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or holds.__name__}")
        time.sleep(pause_seconds)
