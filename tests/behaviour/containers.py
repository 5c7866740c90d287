"""Commands inside a running container, without a kubelet's help: what an administrator would do."""

from __future__ import annotations

from pathlib import Path

from tests.bystander import Json, run

PROC = Path("/proc")


async def inside(pod: Json, *command: str) -> str:
    """Output of a command in the view of a pod's first process that is found.

    Args:
        pod: as the API server has it; it runs on this machine.
        command: program and arguments, as the container sees them.
    """
    process = _process(pod["metadata"]["uid"])
    into = (
        "nsenter",
        "--target",
        process,
        "--user",
        "--preserve-credentials",
        "--mount",
        "--root",
        "--wd",
    )
    finished = await run(*into, "--", *command)
    assert finished.code == 0, finished.errors
    return finished.output


def _process(uid: str) -> str:
    """Number of a process that has files of the pod's own mounted."""
    for folder in PROC.glob("[0-9]*"):
        try:
            mounts = (folder / "mountinfo").read_text()
            root = (folder / "root").readlink()
        except OSError:
            continue
        if f"/{uid}/" in mounts and root == Path("/"):
            return folder.name
    raise AssertionError(f"no process of pod {uid} runs here")
