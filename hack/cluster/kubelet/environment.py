"""The variables of a container: what its pod gives, and nothing of this machine's own. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hack.cluster.kubelet.fields import Place, Unresolvable, field, resource
from hack.cluster.kubelet.pod import Container, EnvFrom, EnvVar, KeySelector, Pod
from kaito.kube.kinds import Service

_REFERENCE = re.compile(r"\$(\$|\([^()]*\))")
_NOT_A_NAME = re.compile(r"[^A-Z0-9_]")

Data = Mapping[str, str]
"""Keys and values of a ConfigMap, or those of a Secret as text."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What variables may come from.

    Attributes:
        place: where the pod runs.
        config_maps: by name, of the pod's namespace; one that does not exist is left out.
        secrets: likewise.
        service_links: variables that name the Services of the namespace.
    """

    place: Place
    config_maps: Mapping[str, Data]
    secrets: Mapping[str, Data]
    service_links: Mapping[str, str]


def environment(pod: Pod, container: Container, sources: Sources) -> dict[str, str]:
    """The variables that the pod gives to one of its containers.

    Later ones win: service links, then envFrom in order, then env in order.

    Raises:
        Unresolvable: a ConfigMap, Secret, key or field is missing and not optional.
    """
    values = dict(sources.service_links)
    for origin in container.env_from:
        values.update(_all_of(origin, sources))
    for variable in container.env:
        value = _value(pod, container, variable, sources, values)
        if value is not None:
            values[variable.name] = value
    return values


def expanded(text: str, values: Mapping[str, str]) -> str:
    """`text` with $(NAME) replaced by its value; $$ is a dollar sign, the unknown stays."""

    def replacement(match: re.Match[str]) -> str:
        name = match[1]
        return "$" if name == "$" else values.get(name[1:-1], match[0])

    return _REFERENCE.sub(replacement, text)


def service_links(services: Iterable[Service], *, api_address: str) -> dict[str, str]:
    """Variables that name the API server and the given Services, as every pod gets them.

    Args:
        services: of the pod's namespace; headless ones have no variables.
        api_address: cluster IP of the Service default/kubernetes.
    """
    links = _links("kubernetes", api_address, [("https", "TCP", 443)])
    for service in services:
        address = service.spec.cluster_ip
        if address and address != "None":
            ports = [(port.name, port.protocol, port.port) for port in service.spec.ports]
            links.update(_links(service.metadata.name, address, ports))
    return links


def names_used(container: Container) -> tuple[set[str], set[str]]:
    """Names of the ConfigMaps and of the Secrets that a container's variables come from."""
    config_maps = {one.config_map_ref.name for one in container.env_from if one.config_map_ref}
    secrets = {one.secret_ref.name for one in container.env_from if one.secret_ref}
    for source in (one.value_from for one in container.env if one.value_from):
        if source.config_map_key_ref:
            config_maps.add(source.config_map_key_ref.name)
        if source.secret_key_ref:
            secrets.add(source.secret_key_ref.name)
    return config_maps, secrets


def _all_of(origin: EnvFrom, sources: Sources) -> dict[str, str]:
    ref = origin.config_map_ref or origin.secret_ref
    if ref is None:
        return {}
    kind, known = ("configmap", sources.config_maps)
    if origin.secret_ref:
        kind, known = ("secret", sources.secrets)
    if ref.name in known:
        return {origin.prefix + key: value for key, value in known[ref.name].items()}
    if ref.optional:
        return {}
    raise Unresolvable(f'{kind} "{ref.name}" not found')


def _value(
    pod: Pod, container: Container, variable: EnvVar, sources: Sources, values: Mapping[str, str]
) -> str | None:
    """The variable's value; None when it is optional and not there."""
    source = variable.value_from
    if source is None:
        return expanded(variable.value, values)
    if source.field_ref:
        return field(pod, sources.place, source.field_ref)
    if source.resource_field_ref:
        return resource(pod, sources.place, source.resource_field_ref, container)
    if source.config_map_key_ref:
        return _key("configmap", source.config_map_key_ref, sources.config_maps)
    if source.secret_key_ref:
        return _key("secret", source.secret_key_ref, sources.secrets)
    raise Unresolvable(f"variable {variable.name} has no source that is supported")


def _key(kind: str, selector: KeySelector, known: Mapping[str, Data]) -> str | None:
    if selector.key in known.get(selector.name, {}):
        return known[selector.name][selector.key]
    if selector.optional:
        return None
    if selector.name not in known:
        raise Unresolvable(f'{kind} "{selector.name}" not found')
    raise Unresolvable(f"couldn't find key {selector.key} in {kind} {selector.name}")


def _links(name: str, address: str, ports: Sequence[tuple[str, str, int]]) -> dict[str, str]:
    """Variables of one Service, in the form that Docker links had."""
    if not ports:
        return {}
    stem = _NOT_A_NAME.sub("_", name.upper())
    first = ports[0]
    links = {
        f"{stem}_SERVICE_HOST": address,
        f"{stem}_SERVICE_PORT": str(first[2]),
        f"{stem}_PORT": f"{first[1].lower()}://{address}:{first[2]}",
    }
    for port_name, protocol, port in ports:
        if port_name:
            suffix = _NOT_A_NAME.sub("_", port_name.upper())
            links[f"{stem}_SERVICE_PORT_{suffix}"] = str(port)
        one = f"{stem}_PORT_{port}_{protocol}"
        links[one] = f"{protocol.lower()}://{address}:{port}"
        links |= {
            f"{one}_PROTO": protocol.lower(),
            f"{one}_PORT": str(port),
            f"{one}_ADDR": address,
        }
    return links
