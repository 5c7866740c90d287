"""What the benchmark of the server makes of its rounds."""

from __future__ import annotations

from hack.benchmarks.serve.__main__ import Row, typical


def round_of(tokens_per_second: float, *, p99: float | None, peak_mb: float, errors: int) -> Row:
    return {
        "tokens_per_second": tokens_per_second,
        "ttft_p99_ms": p99,
        "peak_mb": peak_mb,
        "errors": errors,
    }


def test_a_figure_is_the_median_of_the_rounds_that_have_it_and_no_error_is_lost() -> None:
    rounds = [
        round_of(10.0, p99=None, peak_mb=900.0, errors=0),
        round_of(400.0, p99=5.0, peak_mb=901.26, errors=1),
        round_of(12.0, p99=7.0, peak_mb=901.26, errors=2),
    ]

    assert typical(rounds) == {
        "tokens_per_second": 12.0,
        "ttft_p99_ms": 6.0,
        "peak_mb": 901.3,
        "errors": 3,
    }
