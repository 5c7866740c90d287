"""How delays grow, spread and start over."""

from __future__ import annotations

from kaito.kube.backoff import Backoff, doubled


def test_r11_delays_double_up_to_the_cap_and_spread_over_twice_the_time() -> None:
    backoff = Backoff(first_seconds=1, cap_seconds=8)
    now = 0.0

    for nominal in (1, 2, 4, 8, 8, 8):
        seconds = backoff.delay(now)
        now += seconds
        assert nominal <= seconds < 2 * nominal


def test_r11_a_quiet_time_starts_the_delays_over() -> None:
    backoff = Backoff(first_seconds=1, cap_seconds=64, reset_seconds=120)
    for _ in range(5):
        backoff.delay(0.0)

    assert backoff.delay(300.0) < 2


def test_r11_what_the_server_asks_for_is_a_floor() -> None:
    assert Backoff(first_seconds=1).delay(0.0, floor_seconds=9) == 9


def test_a_thousand_failures_do_not_overflow() -> None:
    assert doubled(100_000, first_seconds=1, cap_seconds=300) == 300
