"""How a server that fetches its weights reaches the hub: by which address, proxy and authority."""

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
