"""What `kubectl get` prints of a claim, and whose claims are carried out."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.claims import KINDS, VM_SIZE, Kind
from tests.provisioner.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


def of_rag_engine(kind: Kind, name: str) -> Mapping[str, object]:
    """A claim of a RAG engine, which has no workspace."""
    claim = dict(kind.claim(name))
    claim["metadata"] = {"name": name, "labels": {"kaito.sh/ragengine": "library"}}
    return claim


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_a_rag_engines_claim_becomes_ready_and_fills_its_columns(
    stack: Stack, kind: Kind
) -> None:
    name = f"rag{kind.name[:4].lower()}"
    claim = of_rag_engine(kind, name)
    await stack.start()
    await stack.apply(claim)
    await stack.until_ready((kind, name))

    printed = await stack.see.kubectl("get", kind.name.lower(), name, "-o", "wide")
    head, row = (line.split() for line in printed.output.splitlines())
    found = dict(zip((word for word in head if word != "ZONE"), row, strict=False))
    stored = await stack.claim(kind, name)

    assert found["TYPE"] == VM_SIZE
    assert found["NODE"] == stored["status"]["nodeName"]
    assert found["READY"] == "True"
    assert "on-demand" in row
    assert ("imageID" in stored["status"]) is (kind.name == "NodeClaim")
    await stack.delete(claim)
    assert await stack.lacks(name)
