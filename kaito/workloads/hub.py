"""How a server that fetches its weights reaches the hub: by which address, proxy and authority."""

from __future__ import annotations

from kaito.catalog.preset import Image
from kaito.kube.objects import Manifest
from kaito.workloads.carrier import Carrier

ENDPOINT = "HF_ENDPOINT"
_VOLUME = "hub-authorities"
_FOLDER = "/etc/kaito/hub"
_TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
"""Variables by which the hub's libraries find the authorities that they trust."""


def with_hub(template: Manifest, image: Image, carrier: Carrier) -> Manifest:
    """A pod template whose server reaches the hub as the operator's settings say.

    A bundle of authorities takes the place of the usual ones in these libraries, so that it is
    used only where the hub is another one than the public.

    Args:
        template: of the server, in its first container.
        image: row of the server; one that has its weights already is left alone.
        carrier: the settings.
    """
    if image.weights != "hub" or not carrier.environment:
        return template
    spec = template["spec"]
    if not isinstance(spec, dict):
        raise TypeError("a pod template has a spec")
    server, *others = spec["containers"]
    variables, mounts, volumes = carrier.variables, [], []
    if carrier.ca_bundle and ENDPOINT in dict(carrier.environment):
        variables += [{"name": name, "value": f"{_FOLDER}/ca.crt"} for name in _TRUST]
        mounts = [{"name": _VOLUME, "mountPath": _FOLDER, "readOnly": True}]
        volumes = [{"name": _VOLUME, "configMap": {"name": carrier.ca_bundle}}]
    told = {
        **server,
        "env": [*server["env"], *variables],
        "volumeMounts": [*server["volumeMounts"], *mounts],
    }
    return {
        **template,
        "spec": {
            **spec,
            "containers": [told, *others],
            "volumes": [*spec["volumes"], *volumes],
        },
    }
