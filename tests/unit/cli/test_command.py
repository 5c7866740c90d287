"""What the command line answers, in which form, and with which exit code."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from hack import pages
from hack.cluster.binaries import plugin
from kaito.catalog.catalog import read_catalog
from kaito.cli.command import COMMANDS, reply
from kaito.sizing.fit import fit

FALCON = ["fit", "falcon-40b", "--instance-type", "Standard_NC6s_v3", "--preset-images", "upstream"]


def test_a_table_lists_every_type_that_fits_the_smallest_first() -> None:
    catalog = read_catalog(Path("presets"), origin="kaito")
    fitting = {sku.name for sku in catalog.skus.values() if fit(catalog.presets["phi-4"], sku).fits}

    answer = reply(["fit", "phi-4"])
    head, *lines = answer.text.splitlines()

    assert answer.code == 0
    assert head.split()[:3] == ["INSTANCE", "TYPE", "NODES"]
    assert {line.split()[0] for line in lines} == fitting
    assert lines[0].startswith("Standard_NC24ads_A100_v4 ")


def test_one_type_is_explained_in_the_sentence_of_the_status() -> None:
    catalog = read_catalog(Path("presets"), origin="kaito")
    sku = catalog.skus["Standard_NC6s_v3"]

    answer = reply(["fit", "phi-3-mini-4k-instruct", "--instance-type", sku.name])

    assert answer.code == 0
    assert answer.text == f"{fit(catalog.presets['phi-3-mini-4k-instruct'], sku).sentence}\n"


def test_a_spelling_that_the_cloud_does_not_have_is_told_with_its_own() -> None:
    other, own = "Standard_ND96asr_A100_v4", "Standard_ND96asr_v4"

    for words in (["fit", "phi-4"], ["skus", "-o", "wide"]):
        (line,) = [line for line in reply(words).text.splitlines() if line.startswith(other)]
        assert line.split()[-1] == own
    assert (
        f"the cloud knows no such name, use {own}"
        in reply(["fit", "phi-4", "--instance-type", other]).text
    )


@pytest.mark.parametrize("words", [["models"], ["skus"], ["skus", "--cloud", "aws"]])
def test_a_list_fits_a_terminal_and_its_wide_form_tells_more(words: list[str]) -> None:
    narrow = reply(words).text.splitlines()
    wide = reply([*words, "-o", "wide"]).text.splitlines()

    assert max(map(len, narrow)) <= 80
    assert [line.split()[0] for line in narrow] == [line.split()[0] for line in wide]
    assert all(len(ours) < len(theirs) for ours, theirs in zip(narrow, wide, strict=True))


def test_what_does_not_fit_is_exit_code_1_with_the_numbers() -> None:
    answer = reply(FALCON)

    assert answer.code == 1
    assert "falcon-40b needs 2 GPUs and 90 GiB" in answer.text
    assert "has 1 GPU with 16 GiB" in answer.text


def test_json_carries_the_same_answer_as_numbers() -> None:
    answer = reply([*FALCON, "-o", "json"])
    found = json.loads(answer.text)

    assert answer.code == 1
    assert found["fits"] is False
    assert (found["needed_gib"], found["gpu_memory_gib"]) == (90, 16)
    assert found["sentence"] + "\n" == reply(FALCON).text


def test_json_lists_are_for_programs() -> None:
    answer = json.loads(reply(["fit", "mistral-7b", "-o", "json"]).text)
    models = json.loads(reply(["models", "-o", "json"]).text)
    skus = json.loads(reply(["skus", "-o", "json", "--cloud", "aws"]).text)

    assert {found["fits"] for found in answer} == {True}
    assert len(models) == 71
    assert len(skus) == 59


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["fit", "phi-44"], 2, "no preset is named phi-44: use one of phi-4, "),
        (["fit", "phi-4", "--instance-type", "Standard_X"], 2, "Standard_X is not in the table"),
        (["fit", "llama-2-70b"], 1, "fits no instance type of this cloud"),
        (["fit", "gpt-oss-20b", "--tuning", "lora"], 1, "gpt-oss-20b cannot be tuned: the preset"),
        (["skus", "--presets-dir", "nowhere"], 2, "holds no *.yaml"),
    ],
)
def test_every_other_answer_has_its_code_and_says_why(
    words: list[str], code: int, said: str
) -> None:
    answer = reply(words)

    assert answer.code == code
    assert said in answer.text
    assert answer.text.endswith("\n")


@pytest.mark.parametrize(
    "words", [["fit"], ["fit", "phi-4", "--nodes", "0"], ["fit", "phi-4", "--context", "many"]]
)
def test_wrong_words_are_exit_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        reply(words)

    assert caught.value.code == 2
    assert "usage: python -m kaito fit" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        reply([command, "--help"])

    assert caught.value.code == 0
    assert "exit codes: 0 yes" in capsys.readouterr().out


def test_a_longer_context_or_a_tuning_method_changes_the_answer() -> None:
    words = ["fit", "phi-3-mini-128k-instruct", "--instance-type", "Standard_NC6s_v3"]

    assert reply(words).code == 0
    assert reply([*words, "--context", "16000"]).code == 1
    assert reply([*words, "--tuning", "qlora"]).code == 0
    assert reply([*words, "--tuning", "lora"]).code == 1


def test_a_checkout_s_own_catalogue_is_found_from_anywhere(tmp_path: Path) -> None:
    words = plugin(Path.cwd())

    done = subprocess.run(
        [*words, "models", "-o", "json"], cwd=tmp_path, capture_output=True, check=True
    )

    assert len(json.loads(done.stdout)) == len(list(Path("presets/models").glob("*.yaml")))


def test_the_program_writes_answers_to_stdout_and_mistakes_to_stderr() -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "kaito", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    refused, mistaken = run(*FALCON), run("fit", "falcon-4b")

    assert (refused.returncode, refused.stderr) == (1, "")
    assert "falcon-40b needs" in refused.stdout
    assert (mistaken.returncode, mistaken.stdout) == (2, "")
    assert "use one of falcon-40b, " in mistaken.stderr or "falcon-7b" in mistaken.stderr


def test_only_the_entry_point_imports_the_command_line() -> None:
    importers = {
        path.as_posix()
        for path in Path("kaito").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kaito.cli")
    }

    assert {path for path in importers if not path.startswith("kaito/cli/")} == {
        "kaito/__main__.py"
    }


def test_the_pages_of_the_documentation_say_what_the_data_says() -> None:
    assert pages.stale() == []
