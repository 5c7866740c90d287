"""Commands that the demo runs as a user would, killed if the demo is."""

from __future__ import annotations

import asyncio

from hack.cluster.failures import ClusterFailed
from hack.cluster.layout import Layout


async def kubectl(layout: Layout, *words: str, stdin: str = "") -> str:
    """What kubectl prints, as the cluster's administrator.

    Raises:
        ClusterFailed: it did not succeed.
    """
    program = str(layout.binaries / "kubectl")
    credentials = ("--kubeconfig", str(layout.admin_kubeconfig))
    cache = ("--cache-dir", str(layout.run / "kubectl"))
    return await output(program, *credentials, *cache, *words, stdin=stdin)


async def output(*words: str, stdin: str = "") -> str:
    """Standard output of a command that must succeed.

    Raises:
        ClusterFailed: it did not; the message is what it said.
    """
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", "--", *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        printed, errors = await process.communicate(stdin.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise ClusterFailed(f"{' '.join(words[:1])} failed: {(errors or printed).decode().strip()}")
    return printed.decode()
