"""Where the control plane's programs come from."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from hack.cluster.binaries import PARTS, Sources, install, sources
from hack.cluster.cache import cache_folder
from hack.cluster.failures import Unobtainable
from hack.cluster.golang import Builder, linker_flags, pinned_version
from hack.cluster.releases import Releases

SCRIPT = '#!/bin/sh\necho "$0 $@"\n'


def a_program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCRIPT)
    path.chmod(0o755)
    return path


def the_sources(folder: Path, *, assets: Path | None = None, site: str = "") -> Sources:
    modules = folder / "modules"
    modules.mkdir(exist_ok=True)
    (modules / "go.mod").write_text("require (\n\tk8s.io/kubernetes v1.2.3\n)\n")
    (modules / "go.sum").write_text("")
    (modules / "main.go").write_text("package main\n")
    cache = folder / "cache"
    return Sources(
        assets=assets,
        releases=Releases("v1.2.3", "v3.2.1", no_report, f"{site}/k8s", f"{site}/etcd"),
        builder=Builder(modules, cache, offline=True, report=no_report),
        cache=cache,
        offline=not site,
    )


def no_report(_line: str) -> None:
    """Take no notice."""


@pytest.fixture(autouse=True)
def no_programs_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "path"))


def test_programs_named_by_the_user_come_first(tmp_path: Path) -> None:
    for part in PARTS:
        a_program(tmp_path / "assets" / part)
    a_program(the_sources(tmp_path).builder.target)

    commands = the_sources(tmp_path, assets=tmp_path / "assets").commands()

    assert commands == {part: (str(tmp_path / "assets" / part),) for part in PARTS}


def test_programs_that_the_user_does_not_have_come_from_the_cache(tmp_path: Path) -> None:
    a_program(tmp_path / "assets" / "etcd")
    kept = a_program(the_sources(tmp_path).builder.target)

    commands = the_sources(tmp_path, assets=tmp_path / "assets").commands()

    assert commands["etcd"] == (str(tmp_path / "assets" / "etcd"),)
    assert commands["kube-scheduler"] == (str(kept), "kube-scheduler")


def test_the_machines_kubectl_is_preferred(tmp_path: Path) -> None:
    own = a_program(tmp_path / "path" / "kubectl")
    a_program(the_sources(tmp_path).builder.target)

    assert the_sources(tmp_path).commands()["kubectl"] == (str(own),)


def test_where_nothing_works_all_ways_are_named(tmp_path: Path) -> None:
    with pytest.raises(Unobtainable) as failure:
        the_sources(tmp_path).commands()

    for way in ("KUBEBUILDER_ASSETS", "official releases", "Go 1.26", "KAITO_CACHE"):
        assert way in str(failure.value)


def test_a_changed_source_is_another_program(tmp_path: Path) -> None:
    before = the_sources(tmp_path).builder.target
    (tmp_path / "modules" / "main.go").write_text("package main // changed\n")

    builder = Builder(tmp_path / "modules", tmp_path / "cache", offline=True, report=no_report)

    assert builder.target != before


def test_an_installed_program_hands_its_arguments_on(tmp_path: Path) -> None:
    program = a_program(tmp_path / "with space" / "controlplane")

    install({"etcd": (str(program), "etcd")}, tmp_path / "bin")

    ran = subprocess.run([tmp_path / "bin" / "etcd", "--a=b c"], capture_output=True, check=True)
    assert ran.stdout.decode() == f"{program} etcd --a=b c\n"


def test_the_parts_report_the_pinned_version() -> None:
    flags = linker_flags("v1.36.3").split()

    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        for name, value in (("gitVersion", "v1.36.3"), ("gitMajor", "1"), ("gitMinor", "36")):
            assert f"{package}.{name}={value}" in flags


def test_the_pinned_version_is_read_from_the_module_file() -> None:
    folder = Path(__file__).resolve().parents[3] / "hack" / "controlplane"

    assert pinned_version(folder, "k8s.io/kubernetes").startswith("v1.36.")
    with pytest.raises(Unobtainable, match=r"example\.org"):
        pinned_version(folder, "example.org/nothing")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A release site on loopback with the files that the architecture of this machine asks."""
    folder = tmp_path / "site"
    for architecture in ("amd64", "arm64"):
        for part in PARTS[1:]:
            program = a_program(folder / "k8s/v1.2.3/bin/linux" / architecture / part)
            digest = hashlib.sha256(program.read_bytes()).hexdigest()
            program.with_suffix(".sha256").write_text(digest)
        name = f"etcd-v3.2.1-linux-{architecture}"
        archive = folder / "etcd" / "v3.2.1" / f"{name}.tar.gz"
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive, "w:gz") as content:
            content.add(a_program(tmp_path / "etcd"), f"{name}/etcd")
        with (archive.parent / "SHA256SUMS").open("a") as sums:
            sums.write(f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_official_releases_are_downloaded_and_kept(tmp_path: Path, site: str) -> None:
    commands = the_sources(tmp_path, site=site).commands()

    assert commands.keys() == set(PARTS)
    assert subprocess.run([*commands["etcd"]], capture_output=True, check=True).stdout
    assert the_sources(tmp_path).commands() == commands


def test_a_release_with_another_checksum_is_never_kept(tmp_path: Path, site: str) -> None:
    for part in (tmp_path / "site").rglob("kubectl"):
        part.write_text("#!/bin/sh\necho evil\n")

    with pytest.raises(Unobtainable, match="published checksum"):
        the_sources(tmp_path, site=site).commands()

    assert not list((tmp_path / "cache" / "bin").glob("release-*"))


def test_a_site_that_breaks_off_or_answers_something_else_is_as_good_as_none(
    tmp_path: Path, site: str
) -> None:
    for checksum in (tmp_path / "site").rglob("kubectl.sha256"):
        checksum.write_text("")

    with pytest.raises(Unobtainable, match="cannot be had"):
        the_sources(tmp_path, site=site).releases.download(tmp_path / "cache")


def test_a_folder_that_the_user_names_and_that_is_not_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "nowhere"))
    repo = Path(__file__).resolve().parents[3]

    with pytest.raises(Unobtainable, match=r"KUBEBUILDER_ASSETS names .*nowhere.*unset it"):
        sources(repo, tmp_path, offline=True, report=no_report)


def test_of_the_built_programs_the_newest_three_are_kept(tmp_path: Path) -> None:
    builder = the_sources(tmp_path).builder
    built = [a_program(builder.target.with_name(f"controlplane-v{age}")) for age in range(5)]
    for age, path in enumerate(built):
        os.utime(path, (10_000 - age, 10_000 - age))

    builder.forget_old()

    assert {*builder.target.parent.iterdir()} == {*built[:3]}


def test_the_cache_follows_the_environment() -> None:
    assert cache_folder({"KAITO_CACHE": "/a", "XDG_CACHE_HOME": "/b"}) == Path("/a")
    assert cache_folder({"XDG_CACHE_HOME": "/b", "HOME": "/c"}) == Path("/b/kaito")
    assert cache_folder({"HOME": "/c"}) == Path("/c/.cache/kaito")
