"""A linter over every overlay: what it finds is mended, or has a reason."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from hack.cluster.cache import cache_folder
from hack.linter.findings import Finding, allowed, findings
from hack.linter.program import linter
from tests.image.kustomize import OFFLINE, rendered
from tests.rules.tree import ROOT

OVERLAYS = sorted(path.parent.name for path in ROOT.glob("manifests/overlays/*/kustomization.yaml"))
KUBERNETES = "v1.36"
PRIVILEGED = """
apiVersion: v1
kind: Pod
metadata: {name: bad, namespace: default}
spec:
  containers:
    - name: bad
      image: bad
      securityContext: {privileged: true}
"""


@pytest.fixture(scope="module")
def program() -> Path:
    """kube-score, built if need be."""
    return linter(cache_folder(), offline=OFFLINE, report=print)


def found(program: Path, overlay: str) -> frozenset[Finding]:
    """What is found in an overlay."""
    text = rendered(ROOT / "manifests" / "overlays" / overlay)
    return findings(program, text, kubernetes=KUBERNETES)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_is_found_that_has_no_reason(program: Path, overlay: str) -> None:
    assert [str(each) for each in sorted(found(program, overlay) - allowed())] == []


def test_monitoring_adds_no_finding(program: Path, tmp_path: Path) -> None:
    here = os.path.relpath(ROOT / "manifests", tmp_path)
    parts = ("monitoring", "monitoring/provisioner")
    wanted = {
        "resources": [f"{here}/overlays/aks"],
        "components": [f"{here}/components/{part}" for part in parts],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
    text = rendered(tmp_path)

    assert {"PodMonitor", "PrometheusRule"} <= {each["kind"] for each in yaml.safe_load_all(text)}
    assert findings(program, text, kubernetes=KUBERNETES) == found(program, "aks")


def test_no_reason_is_given_for_what_is_not_found(program: Path) -> None:
    everywhere = frozenset[Finding]().union(*(found(program, each) for each in OVERLAYS))

    assert [str(each) for each in sorted(allowed() - everywhere)] == []


def test_the_linter_sees_a_privileged_container(program: Path) -> None:
    bad = findings(program, PRIVILEGED, kubernetes=KUBERNETES)

    assert "container-security-context-privileged" in {each.check for each in bad}


def test_an_allowed_finding_without_a_reason_is_refused(tmp_path: Path) -> None:
    entry = {"check": "any", "finding": "any", "objects": ["Pod/any"], "why": ""}
    (tmp_path / "allowed.yaml").write_text(yaml.safe_dump([entry]))

    with pytest.raises(ValueError, match="no reason"):
        allowed(tmp_path / "allowed.yaml")
