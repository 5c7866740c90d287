"""What the server says of adapters that cannot be served, without starting it for each.

Run in the inference environment: `python broken.py MODEL FOLDER...`, each with adapters for a model
called `tiny`; a JSON list of reasons on standard output, "" for a folder that is as it should be.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from transformers import AutoModelForCausalLM

sys.path.insert(0, str(Path("presets/inference").absolute()))

from serving.adapters import adapter_folder, load_adapters
from serving.errors import BadAdapter


def reason(model: str, folder: Path) -> str:
    """Why the adapters cannot be served."""
    try:
        adapters = adapter_folder(folder, model_name="tiny")
        load_adapters(AutoModelForCausalLM.from_pretrained(model), folder, adapters)
    except BadAdapter as error:
        return str(error)
    return ""


if __name__ == "__main__":
    json.dump([reason(sys.argv[1], Path(folder)) for folder in sys.argv[2:]], sys.stdout)
