"""A short name for exactly this manifest: equal manifests have equal revisions."""

from __future__ import annotations

import hashlib
import json

from kaito.kube.objects import Manifest

_DIGITS = 16


def revision(manifest: Manifest) -> str:
    """Hash of a manifest in canonical JSON, 16 hexadecimal digits."""
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_DIGITS]
