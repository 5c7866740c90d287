"""What comes out of Go modules: whole in the cache, or not there, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.cluster import modules
from hack.cluster.failures import Unobtainable
from hack.cluster.golang import Builder, Report


def no_report(_line: str) -> None:
    """Take no notice."""


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    """One without sources: nothing is built."""
    return Builder(tmp_path, tmp_path / "cache", offline=True, report=no_report)


def write(path: Path) -> None:
    """A file with a word in it."""
    path.write_text("made")


def test_what_was_made_is_kept_and_what_it_took_is_not(builder: Builder) -> None:
    (builder.cache / "go" / "mod").mkdir(parents=True)

    made = modules.kept(builder, "thing", write)

    assert made == builder.cache / "bin" / "thing"
    assert made.read_text() == "made"
    assert not (builder.cache / "go").exists()


def test_what_is_there_is_not_made_again(builder: Builder) -> None:
    first = modules.kept(builder, "thing", write)

    second = modules.kept(builder, "thing", lambda path: path.unlink())

    assert second == first
    assert second.read_text() == "made"


def test_what_breaks_off_is_not_there_and_is_made_anew(builder: Builder) -> None:
    def broken(path: Path) -> None:
        path.mkdir()
        (path / "half").write_text("")
        raise Unobtainable("no proxy")

    with pytest.raises(Unobtainable, match="no proxy"):
        modules.kept(builder, "thing", broken)

    assert not (builder.cache / "bin" / "thing").exists()
    assert modules.kept(builder, "thing", write).read_text() == "made"


@pytest.mark.parametrize("words", [(), ("--offline",)])
def test_a_command_line_has_it_in_the_cache(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KAITO_CACHE", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["it", *words])
    asked = []

    def have(cache: Path, *, offline: bool, report: Report) -> None:
        report("")
        asked.append((cache, offline))

    assert modules.main(have, "it", "It.") == 0
    assert asked == [(tmp_path, bool(words))]


def test_a_command_line_says_why_it_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["it"])

    def have(cache: Path, *, offline: bool, report: Report) -> None:
        report(f"{cache} {offline}")
        raise Unobtainable("no proxy")

    assert modules.main(have, "it", "It.") == 1
    assert capsys.readouterr().err == "no proxy\n"
