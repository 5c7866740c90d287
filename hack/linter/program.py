"""kube-score, built from its Go module: hack/linter/go.mod names the version."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from hack.cluster.binaries import only_one
from hack.cluster.golang import Builder, Report, pinned_version

SOURCES = Path(__file__).parent
MODULE = "github.com/zegl/kube-score"
COMMAND = f"{MODULE}/cmd/kube-score"


def linter(cache: Path, *, offline: bool, report: Report) -> Path:
    """Find it in the cache, or build it: two minutes on two cores, once.

    Raises:
        Unobtainable: there is no toolchain, or a module cannot be had.
    """
    pins = b"".join((SOURCES / name).read_bytes() for name in ("go.mod", "go.sum"))
    version = f"{pinned_version(SOURCES, MODULE)}-{hashlib.sha256(pins).hexdigest()[:12]}"
    kept = cache / "bin" / f"kube-score-{version}"
    with only_one(cache / "bin", report):
        if not kept.exists():
            _build(Builder(SOURCES, cache, offline=offline, report=report), kept)
    return kept


def _build(builder: Builder, kept: Path) -> None:
    go = builder.toolchain()
    scratch = kept.with_name(f"{kept.name}.new")
    builder.report(f"building {kept.name} with {go}: takes minutes, once")
    builder.run([go, "build", "-v", "-trimpath", "-ldflags", "-s -w", "-o", str(scratch), COMMAND])
    scratch.replace(kept)
    shutil.rmtree(builder.cache / "go", ignore_errors=True)
