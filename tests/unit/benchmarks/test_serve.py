"""What the benchmark of the server makes of its rounds."""

from __future__ import annotations

from datetime import date

from hack.benchmarks.serve.__main__ import Row, typical
from hack.benchmarks.serve.page import Setting, page


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


def test_the_page_has_a_line_for_each_system_the_fewest_clients_first() -> None:
    def row(system: str, clients: int, **figures: float | None) -> dict[str, object]:
        return {"system": system, "clients": clients, **figures}

    setting = Setting(
        versions={"transformers": "9.8.7"},
        load=0.25,
        rounds=6,
        seconds=4.0,
        tokens=64,
        batch_tokens=512,
        cache_pages=128,
    )
    rows = [
        row("theirs", 32, tokens_per_second=12.5),
        row("ours", 8, tokens_per_second=1234.5, ttft_p99_ms=None, errors=0),
        row("ours", 32, tokens_per_second=20.0),
    ]

    text = page(rows, setting, today=date(2026, 1, 2))

    table = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert [line[:2] for line in table[2:]] == [
        ["| 8", "ours"],
        ["| 32", "ours"],
        ["| 32", "theirs"],
    ]
    assert table[0].index("tokens/s") == table[2].index("1,234.5")
    assert table[2][table[0].index("TTFT p99, ms")] == "-"
    assert len({len(line) for line in table}) == 1
    assert "on 2026-01-02. Do not edit." in text
    assert "transformers 9.8.7" in text
    assert "6 rounds of 4 s" in text
