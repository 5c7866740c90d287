"""What the trainer needs before it trains."""

from __future__ import annotations

import subprocess

from hack.cluster.cache import cache_folder

LIBRARIES = ("torch", "transformers", "trl", "peft", "datasets")


def test_no_library_of_the_training_is_imported_before_there_is_something_to_train() -> None:
    script = f"import sys, training.program; print(sorted(sys.modules.keys() & set({LIBRARIES})))"
    done = subprocess.run(
        [str(cache_folder() / "inference" / "bin" / "python"), "-c", script],
        env={"PYTHONPATH": "presets/artifacts:presets/inference:presets/tuning"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"


def test_wrong_settings_end_it_with_a_word_for_each_field() -> None:
    done = subprocess.run(
        [str(cache_folder() / "inference" / "bin" / "python"), "presets/tuning/trainer.py"],
        env={"TUNING_PORT": "x", "TUNING_METHOD": "full"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "--port: " in done.stderr
    assert "--method: Input should be 'lora' or 'qlora'" in done.stderr
