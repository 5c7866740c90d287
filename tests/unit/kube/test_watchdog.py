"""The thread that ends an overstaying process, and leaves others alone."""

from __future__ import annotations

import subprocess
import sys
import threading

from kaito.kube.watchdog import Watchdog
from tests.unit.kube.builders import FakeClock

STUCK = """
import asyncio
import threading

from kaito.kube.clock import SYSTEM_CLOCK
from kaito.kube.watchdog import Watchdog


async def overstay():
    watchdog = Watchdog(margin_seconds=0.01)
    watchdog.start(SYSTEM_CLOCK)
    watchdog.extend(SYSTEM_CLOCK.monotonic() + 0.01)
    threading.Event().wait()


asyncio.run(overstay())
"""


def test_l9_a_process_whose_loop_stands_still_ends() -> None:
    ended = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, timeout=60)

    assert ended.returncode == 1
    assert ended.stderr == b'{"event": "lease.overstayed", "level": "error"}\n'


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
