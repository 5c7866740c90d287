"""The inference image by its Dockerfile, with the locked packages that this machine has already."""

from __future__ import annotations

import subprocess
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import replace

import aiohttp
import pytest

from hack.cluster import models
from hack.cluster.cache import cache_folder
from hack.cluster.kubelet.bubblewrap import TMP
from hack.images.build import INFERENCE
from hack.images.sandbox import Sandbox
from tests.image import bills
from tests.rules.tree import ROOT
from tests.unit.presets.program import LOOPBACK, Program, inference_python

PACKAGES = "/opt/inference"
WEIGHTS = f"{TMP}/weights"
"""A preset image has them at /workspace/weights: here the image is one for all of them."""


@pytest.fixture(scope="module")
def furnished(serving_image: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """The image with its packages, and a model."""
    python = inference_python()
    weights = cache_folder() / "models" / "tiny-phi-3"
    models.ensure(weights, python=python)
    made = tmp_path_factory.mktemp("packages")
    # A virtual environment of the image's own Python, whose packages are lent.
    for name in ("bin", "lib"):
        (made / name).mkdir()
    (made / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (made / "bin" / "python").symlink_to("/usr/bin/python3")
    lib = f"{PACKAGES}/lib"
    lent = {PACKAGES: made, lib: python.parents[1] / "lib", WEIGHTS: weights}
    config = {**serving_image.config}
    config["Env"] = [*config["Env"], *(f"{name}={value}" for name, value in LOOPBACK.items())]
    return replace(serving_image, config=config, lent=lent, is_networked=True)


@pytest.fixture(scope="module")
def server(furnished: Sandbox) -> Iterator[Program]:
    """The server, as a pod of a Workspace starts it."""
    words = (*furnished.config["Cmd"], f"--pretrained-model-name-or-path={WEIGHTS}")
    process = subprocess.Popen(furnished.command(*words), stderr=subprocess.PIPE, text=True)
    program = Program(process)
    threading.Thread(target=program.read, daemon=True).start()
    try:
        program.url = f"http://127.0.0.1:{program.wait_for('server.listening')['port']}"
        yield program
    finally:
        program.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_its_server_answers_from_its_own_file_system(server: Program) -> None:
    server.wait_for("model.loaded")
    async with (
        aiohttp.ClientSession(server.url) as http,
        http.post("/chat", json={"prompt": "What is KAITO?"}) as said,
    ):
        answer = await said.json()

    assert said.status == 200, answer
    assert answer


@pytest.mark.parametrize(
    ("program", "known"),
    [
        ("inference/server.py", "--pretrained-model-name-or-path"),
        ("tuning/trainer.py", "--data-folder"),
        ("artifacts/artifacts.py", "fit"),
    ],
)
def test_each_program_of_it_tells_its_settings(
    furnished: Sandbox, program: str, known: str
) -> None:
    told = furnished.run("python", f"/workspace/{program}", "--help")

    assert told.returncode == 0, told.stderr
    assert known in told.stdout


def test_code_was_compiled_where_it_can_be_written(serving_image: Sandbox) -> None:
    sources = list((serving_image.root / "workspace").rglob("*.py"))
    uncompiled = [
        path.name
        for path in sources
        if not (path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc").exists()
    ]

    assert len(sources) > 50
    assert uncompiled == []


def test_it_runs_as_an_ordinary_user(serving_image: Sandbox) -> None:
    assert serving_image.config["User"] == "65532:65532"
    assert serving_image.config["ExposedPorts"] == {"5000/tcp": {}}


def test_its_bill_of_materials_is_the_lock_and_debian(serving_image: Sandbox) -> None:
    lock = ROOT / INFERENCE.lock

    found = bills.named(bills.written(lock, serving_image.root))

    assert found == bills.there(lock, serving_image.root)
    assert "torch" in {name for name, _ in found.python}


def test_beside_vllm_stand_our_programs(beside_vllm: Sandbox) -> None:
    told = beside_vllm.run("python3", "/workspace/inference/group.py", "--help")

    assert told.returncode == 0, told.stderr
    assert "--leader" in told.stdout
    assert beside_vllm.config["User"] == "65532:65532"
    program = beside_vllm.config["Cmd"][1]
    assert (beside_vllm.root / program.lstrip("/")).is_file()


def test_what_our_program_needs_beside_vllm_is_beside_it(beside_vllm: Sandbox) -> None:
    script = """
        import ast, pathlib, sys
        folder = pathlib.Path("/workspace/inference")
        own = {each.name.removesuffix(".py") for each in folder.iterdir()}
        wanted = {
            (node.module or "").partition(".")[0]
            for file in folder.rglob("*.py")
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.ImportFrom) and not node.level
        }
        print(*sorted(wanted - own - sys.stdlib_module_names))
    """

    said = beside_vllm.run("python3", "-c", textwrap.dedent(script))

    assert said.returncode == 0, said.stderr
    assert {"kaito", "tests", "hack", "presets"}.isdisjoint(said.stdout.split())
    assert "fastapi" in said.stdout.split()
