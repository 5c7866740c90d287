"""The verb push: a folder becomes an image whose one layer holds its files in /data.

The same files give the same image, to the byte: times, owners and order are fixed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from oci import report
from oci.desk import Desk
from oci.item import Item, naming
from oci.manifests import IMAGE, TITLE
from oci.refusals import Refused
from oci.registry import Registry
from oci.upload import Blob, upload_blob, upload_manifest

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
ADAPTER = "application/vnd.kaito.adapter.v1"
"""Type of the artifacts that are pushed here, and of their files."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a registry has taken.

    Attributes:
        image: the reference that it was pushed as.
        digest: of its manifest: what to pull it by for good.
        size: bytes of its layers.
    """

    image: str
    digest: str
    size: int


def push(desk: Desk, item: Item, folder: Path) -> Pushed:
    """Push the files of a folder, as an image, or as an artifact where the kind says so.

    Raises:
        FieldRefused: there is none, or the registry does not take them.
    """
    with naming(item), tempfile.TemporaryDirectory(dir=desk.scratch) as scratch:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        if not files:
            raise Refused(f"there is no file in {folder} to push", "look at the log of the tuning")
        registry = desk.registry(item.image, item.secrets)
        made = _artifact if item.kind == "artifact" else _image
        manifest, size = made(registry, folder, files, Path(scratch))
        digest = upload_manifest(registry, manifest)
        report.info("image.pushed", image=str(registry.reference), digest=digest, bytes=size)
        return Pushed(str(registry.reference), digest, size)


def _image(
    registry: Registry, folder: Path, files: list[Path], scratch: Path
) -> tuple[Mapping[str, object], int]:
    """Upload layer and configuration; the manifest, and the layer's size."""
    layer, content = _layer(folder, files, scratch)
    config = scratch / "config.json"
    described = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [content]},
    }
    config.write_text(json.dumps(described, sort_keys=True), encoding="utf-8")
    blobs = layer, Blob.of(config)
    for blob in blobs:
        upload_blob(registry, blob)
    return _manifest(blobs[1].descriptor(CONFIG), [layer.descriptor(LAYER)]), layer.size


def _artifact(
    registry: Registry, folder: Path, files: list[Path], scratch: Path
) -> tuple[Mapping[str, object], int]:
    """Upload each file as a layer of its own; the manifest, and their sizes together."""
    empty = scratch / "empty.json"
    empty.write_text("{}", encoding="utf-8")
    config = Blob.of(empty)
    blobs = [Blob.of(path) for path in files]
    for blob in (config, *blobs):
        upload_blob(registry, blob)
    layers = [
        blob.descriptor(ADAPTER, **{TITLE: str(blob.path.relative_to(folder))}) for blob in blobs
    ]
    manifest = {"artifactType": ADAPTER, **_manifest(config.descriptor(EMPTY), layers)}
    return manifest, sum(blob.size for blob in blobs)


def _manifest(
    config: Mapping[str, object], layers: list[Mapping[str, object]]
) -> Mapping[str, object]:
    return {"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": layers}


def _layer(folder: Path, files: list[Path], scratch: Path) -> tuple[Blob, str]:
    """The files as a layer, and the digest of what it unpacks to."""
    plain, packed = scratch / "layer.tar", scratch / "layer.tar.gz"
    with tarfile.open(plain, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(_entry("data", tarfile.DIRTYPE, 0o755))
        for path in files:
            entry = _entry(f"data/{path.relative_to(folder)}", tarfile.REGTYPE, 0o644)
            entry.size = path.stat().st_size
            with path.open("rb") as file:
                archive.addfile(entry, file)
    with plain.open("rb") as file:
        content = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    # Weights hardly get smaller: the quickest level will do.
    with (
        plain.open("rb") as source,
        packed.open("wb") as target,
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=target, mtime=0) as zipped,
    ):
        while chunk := source.read(1 << 20):
            zipped.write(chunk)
    plain.unlink()
    return Blob.of(packed), content


def _entry(name: str, type_: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = type_, mode
    return entry
