"""Images that no careful program would push."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from urllib.parse import urljoin

import requests

from hack.cluster.registry.server import ACCOUNT
from tests.unit.artifacts.carrier import Carrier

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
IMAGE = "application/vnd.oci.image.manifest.v1+json"


def push_image(carrier: Carrier, name: str, layer: bytes) -> None:
    """Push an image of one layer, by the protocol itself."""
    repository, _, tag = name.partition(":")
    base = f"https://{carrier.registry.address}/v2/{repository}/"
    described = []
    for content, media_type in ((b"{}", CONFIG), (layer, LAYER)):
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        begun = _send(carrier, "POST", urljoin(base, "blobs/uploads/"), b"")
        location = urljoin(base, begun["Location"])
        _send(carrier, "PUT", f"{location}&digest={digest}", content)
        described.append({"mediaType": media_type, "digest": digest, "size": len(content)})
    config, packed = described
    manifest = {"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": [packed]}
    _send(carrier, "PUT", urljoin(base, f"manifests/{tag}"), json.dumps(manifest).encode(), IMAGE)


def _send(
    carrier: Carrier, method: str, url: str, body: bytes, type_: str = "application/octet-stream"
) -> Mapping[str, str]:
    """One request; the headers of its answer."""
    answer = requests.request(
        method,
        url,
        data=body,
        headers={"Content-Type": type_},
        auth=(ACCOUNT.user, ACCOUNT.password),
        verify=str(carrier.registry.authority),
        timeout=60,
    )
    answer.raise_for_status()
    return answer.headers
