"""The thread that ends an overstaying process, and leaves others alone."""

from __future__ import annotations

import threading

from kaito.kube.watchdog import Watchdog
from tests.unit.kube.builders import FakeClock


def test_l9_a_deadline_that_passes_by_more_than_the_margin_is_the_end() -> None:
    died = threading.Event()
    clock = FakeClock()
    watchdog = Watchdog(margin_seconds=2, die=died.set)
    watchdog.extend(clock.seconds + 1)
    clock.advance(3.1)

    watchdog.start(clock)

    assert died.wait(2)


def test_l9_a_watchdog_that_is_stopped_does_nothing() -> None:
    died = threading.Event()
    clock = FakeClock()
    watchdog = Watchdog(margin_seconds=0.01, die=died.set)
    watchdog.extend(clock.seconds + 0.01)
    watchdog.start(clock)

    watchdog.stop()
    clock.advance(100)

    assert not died.wait(0.05)
