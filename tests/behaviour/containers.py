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
    process, *_ = processes(pod)
    into = (
        "nsenter",
        "--target",
        str(process),
        "--user",
        "--preserve-credentials",
        "--mount",
        "--root",
        "--wd",
    )
    finished = await run(*into, "--", *command)
    assert finished.code == 0, finished.errors
    return finished.output


def processes(pod: Json) -> list[int]:
    """Numbers of the processes that have files of the pod's own mounted, one at least."""
    uid, found = pod["metadata"]["uid"], []
    for folder in PROC.glob("[0-9]*"):
        try:
            mounts = (folder / "mountinfo").read_text()
            root = (folder / "root").readlink()
        except OSError:
            continue
        if f"/{uid}/" in mounts and root == Path("/"):
            found.append(int(folder.name))
    assert found, f"no process of pod {uid} runs here"
    return found
