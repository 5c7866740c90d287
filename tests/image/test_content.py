"""What runs from the image's own file system, and what is not in it."""

from __future__ import annotations

import json
import re
import stat
import textwrap

import pytest

from hack.images.sandbox import Sandbox
from tests.image import bills
from tests.rules.tree import ROOT

LOCKED = bills.locked(ROOT / "hack" / "locks" / "controller.txt")


@pytest.mark.parametrize("program", ["kaito", "provisioner"])
def test_both_entry_points_tell_their_settings(image: Sandbox, program: str) -> None:
    told = image.run("python", "-m", program, "--help")

    assert told.returncode == 0, told.stderr
    assert f"usage: python -m {program}" in told.stdout
    assert "--leader-elect" in told.stdout


def test_the_catalogue_is_in_it(image: Sandbox) -> None:
    listed = image.run("python", "-m", "kaito", "models", "-o", "json")

    assert listed.returncode == 0, listed.stderr
    names = {each["name"] for each in json.loads(listed.stdout)}
    assert names >= {"phi-3-mini-4k-instruct", "phi-3-mini-128k-instruct"}


def test_it_runs_as_an_ordinary_user_who_can_write_nothing(image: Sandbox) -> None:
    script = """
        import os, pathlib, sys
        assert (os.getuid(), os.getgid()) == (65532, 65532), os.getuid()
        for folder in ("/", "/app", "/opt/kaito", "/tmp", "/var"):
            if folder == "/tmp" and os.path.exists("/tmp/emulator"):
                continue
            try:
                pathlib.Path(folder, "written").write_text("")
            except OSError:
                continue
            sys.exit(f"{folder} can be written")
    """

    done = image.run("python", "-c", textwrap.dedent(script))

    assert (done.returncode, done.stderr) == (0, "")


def test_no_file_gives_another_users_rights_or_lets_all_write(image: Sandbox) -> None:
    files = [path for path in image.root.rglob("*") if not path.is_symlink()]
    raised = [path for path in files if path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)]
    open_to_all = [path for path in files if path.is_file() and path.stat().st_mode & stat.S_IWOTH]

    assert len(files) > 1000
    assert [str(path) for path in raised if path.is_file()] == []
    assert open_to_all == []


def test_there_is_no_shell_and_nothing_that_installs(image: Sandbox) -> None:
    programs = {
        path.name for folder in ("bin", "sbin") for path in image.root.glob(f"**/{folder}/*")
    }

    assert "python3" in programs
    assert (
        programs & {"sh", "bash", "dash", "apt", "apt-get", "pip", "pip3", "curl", "wget"} == set()
    )
    assert not any(image.root.glob("opt/kaito/lib/*/site-packages/pip"))


def test_its_packages_are_the_lock_files_and_no_others(image: Sandbox) -> None:
    script = """
        import importlib.metadata as metadata, json, re
        print(json.dumps([
            [re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(), one.version]
            for one in metadata.distributions(path=["/opt/kaito/lib/python3.11/site-packages"])
        ]))
    """

    listed = image.run("python", "-c", textwrap.dedent(script))

    found = {(name, version) for name, version in json.loads(listed.stdout)}
    assert {(re.sub(r"[-_.]+", "-", name), version) for name, version in LOCKED} == found


def test_it_knows_the_authorities_that_everybody_trusts(image: Sandbox) -> None:
    script = "import ssl; print(ssl.create_default_context().cert_store_stats()['x509_ca'])"

    counted = image.run("python", "-c", script)

    assert int(counted.stdout) > 100, counted.stderr


def test_code_was_compiled_where_it_can_be_written(image: Sandbox) -> None:
    sources = list((image.root / "app").rglob("*.py"))
    uncompiled = [
        str(path)
        for path in sources
        if not (path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc").exists()
    ]

    assert sources
    assert uncompiled == []


def test_nothing_of_the_machine_that_built_it_is_in_it(image: Sandbox) -> None:
    strange = ("etc/hostname", "etc/resolv.conf", "wheels", "tmp/controller.txt")

    assert [name for name in strange if (image.root / name).exists()] == []
