"""How a server that fetches its weights reaches the hub: by which address, proxy and authority.

Nothing else is called: no statistics are sent, and no second client fetches large files.
"""

from __future__ import annotations

from kaito.catalog.preset import Image
from kaito.kube.objects import Manifest
from kaito.workloads.carrier import Carrier, carrier_volumes, carrying

CONTAINER = "authorities"
"""Name of the init container that writes what is trusted."""
_FOLDER = "/etc/kaito/hub"
_MOUNT: Manifest = {"name": CONTAINER, "mountPath": _FOLDER}
_TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
"""Variables by which the hub's libraries find the authorities that they trust."""

_DISCREET = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
"""Xet is a protocol, with a client and hosts of its own, that mirrors of the hub do not speak."""
_UNCOUNTED = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
"""vLLM reports each start, and itself every ten minutes, unless it is told not to."""


def discretion(image: Image) -> list[Manifest]:
    """Variables by which the libraries of a server or a trainer call the hub, and nobody else.

    Args:
        image: row of the server, or of the image that tunes.
    """
    found = {**_DISCREET, **(_UNCOUNTED if image.runtime == "vllm" else {})}
    return [{"name": name, "value": value} for name, value in found.items()]


def unfetched(image: Image, carrier: Carrier) -> str:
    """Why the weights of a server can never be there; "" where they can.

    They lie in a volume that is empty at each start, in an image of the user's own too.
    """
    if image.weights != "hub" or not carrier.is_offline:
        return ""
    return (
        "its weights come from the hub at each start, and the operator's --hub-offline lets no pod"
        " ask one: unset it (--hub-endpoint names a mirror), or serve weights in a volume or an"
        " image by inference.template"
    )


def with_hub(template: Manifest, image: Image, carrier: Carrier) -> Manifest:
    """A pod template whose server reaches the hub as the operator's settings say.

    In these libraries a bundle of authorities takes the place of the usual ones. An init container
    writes both into one, so that the public hub and a mirror of one's own are trusted alike.

    Args:
        template: of the server, in its first container.
        image: row of the server; one that has its weights already is left alone.
        carrier: the settings.
    """
    if image.weights != "hub":
        return template
    spec = template["spec"]
    if not isinstance(spec, dict):
        raise TypeError("a pod template has a spec")
    server, *others = spec["containers"]
    told = {**server, "env": [*server["env"], *carrier.variables]}
    if not carrier.ca_bundle:
        return {**template, "spec": {**spec, "containers": [told, *others]}}
    trust = [{"name": name, "value": f"{_FOLDER}/ca.crt"} for name in _TRUST]
    trusting = {
        **told,
        "env": [*told["env"], *trust],
        "volumeMounts": [*server["volumeMounts"], {**_MOUNT, "readOnly": True}],
    }
    writing = carrying(carrier, CONTAINER, ["trust", f"--to={_FOLDER}"], (), _MOUNT)
    return {
        **template,
        "spec": {
            **spec,
            "initContainers": [*spec.get("initContainers", []), writing],
            "containers": [trusting, *others],
            "volumes": [
                *spec["volumes"],
                {"name": CONTAINER, "emptyDir": {}},
                *carrier_volumes(carrier, ()),
            ],
        },
    }
