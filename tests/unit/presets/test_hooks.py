"""The hook of upstream's transformers images, run as a kubelet would: in the container.

PID 1 is the shell of the image's own command line. `accelerate` and the server are stand-ins that
behave as the real ones: the launcher waits for its child and ignores SIGTERM, the server obeys it.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kaito.catalog.catalog import read_catalog
from kaito.workloads.launch import launch_command

PRESET = read_catalog(Path("presets"), origin="upstream").presets["falcon-7b"]
LAUNCHER = """#!/bin/sh
trap : TERM
while [ "${1#inference}" = "$1" ]; do shift; done
sh "$@" &
while kill -0 $!; do wait $!; done
"""
SERVER = """trap "echo stopped > stopped; exit" TERM
echo ready > ready
while true; do sleep 0.1; done
"""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder with the stand-ins."""
    (tmp_path / "accelerate").write_text(LAUNCHER)
    (tmp_path / "accelerate").chmod(0o755)
    (tmp_path / "inference_api.py").write_text(SERVER)
    return tmp_path


@pytest.mark.skipif(
    not shutil.which("bwrap"), reason="needs bubblewrap for a container's own /proc"
)
def test_the_hook_ends_the_server_that_sigterm_does_not_reach(image: Path) -> None:
    shell, flag, line = launch_command(PRESET, None, nodes=1, gpus=1)
    hook = PRESET.image.pre_stop
    # The kubelet's part: wait for the server, send SIGTERM, see that it lives, run the hook.
    story = (
        f'PATH="$PWD:$PATH" {shell} {flag} "$1" & while ! [ -e ready ]; do sleep 0.1; done;'
        ' kill -TERM $!; [ -e stopped ] && exit 3; exec /bin/sh -c "$2"'
    )
    container = [
        "bwrap",
        "--unshare-pid",
        "--as-pid-1",
        "--die-with-parent",
        "--dev-bind",
        "/",
        "/",
    ]
    done = subprocess.run(
        [*container, "--proc", "/proc", "/bin/sh", "-c", story, "story", line, hook[2]],
        cwd=image,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert hook[:2] == ("/bin/sh", "-c")
    assert (image / "stopped").exists(), done.stderr
    assert done.returncode != 3
