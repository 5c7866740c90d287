"""The guides' commands, read from the pages and run in their order on the local cluster."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.bystander import Bystander, Finished, run

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "guides"
PLUGIN = f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m kaito "$@"\n'
FIRST = GUIDES / "first-model.md"


def commands(page: Path, language: str = "sh") -> list[str]:
    """The blocks of one language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


async def shell(cluster: Bystander, script: str) -> Finished:
    """Run a block as a user would: kubectl and its plug-in on PATH, KUBECONFIG set."""
    plugin = cluster.layout.binaries / "kubectl-kaito"
    plugin.write_text(PLUGIN)
    plugin.chmod(0o755)
    environment = {
        "PATH": f"{cluster.layout.binaries}:{os.environ['PATH']}",
        "KUBECONFIG": str(cluster.layout.admin_kubeconfig),
        "KUBECACHEDIR": str(cluster.layout.run / "kubectl"),
    }
    return await run("bash", "-euc", f"cd {ROOT}\n{script}", environment=environment)


BLOCKS = commands(FIRST)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: " ".join(block.split()[:3]))
async def test_the_first_model_comes_up_by_the_page(cluster: Bystander, block: str) -> None:
    script = re.sub(r"^(kubectl kaito (status|why).*)$", r"\1 || test $? = 1", block, flags=re.M)

    done = await shell(cluster, script)

    assert done.code == 0, done.errors + done.output
    assert done.output.strip()
