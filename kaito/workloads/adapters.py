"""Adapters beside the model: an init container fetches them, the server finds them in a volume.

Our servers read folders into which strengths and the sum of all were written already; upstream's
takes the adapters as they came, and each strength from a variable of its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kaito.api.spec import DataSource
from kaito.api.workspace import Workspace
from kaito.catalog.preset import Image
from kaito.kube.objects import Manifest
from kaito.workloads.carrier import FLAG, Carrier, Item, carrier_volumes, carrying
from kaito.workloads.image import preset_of

CONTAINER = "adapters"
"""Name of the init container that fetches."""
FIT = "adapters-fit"
"""Name of the one that compares what was fetched with the model's weights, in the model's image."""
FOLDER = "/workspace/adapters"
MAX_RANK = 512
"""Highest rank that vLLM makes room for, of an adapter and of the sum of all."""
UPSTREAM_FOLDER = "/mnt/adapter"
_SOURCES = "/sources"


def adapter_items(workspace: Workspace) -> tuple[Item, ...]:
    """A workspace's adapters, in the order of its list."""
    adapters = workspace.inference.adapters if workspace.inference else ()
    return tuple(
        Item(
            field=f"inference.adapters[{number}].source.{_place(adapter.source)}",
            kind="adapter",
            image=adapter.source.image or "",
            folder="" if adapter.source.image else f"{_SOURCES}/{number}",
            name=adapter.source.name or "",
            strength=float(adapter.strength or 1),
            secrets=adapter.source.image_pull_secrets if adapter.source.image else (),
        )
        for number, adapter in enumerate(adapters)
    )


def unserved(image: Image) -> str:
    """Why a server takes no adapters; "" where it does."""
    if image.origin == "kaito" or image.runtime == "transformers":
        return ""
    return f"the image {image.repository} of this preset serves no adapters"


def with_adapters(
    template: Manifest, workspace: Workspace, image: Image, carrier: Carrier
) -> Manifest:
    """A pod template whose pods fetch the workspace's adapters before the server starts.

    Args:
        template: of the server, in its first container.
        workspace: names the adapters; without any the template stays as it is.
        image: row of the server.
        carrier: the program that fetches.
    """
    items = adapter_items(workspace)
    if not items:
        return template
    spec = template["spec"]
    if not isinstance(spec, dict):
        raise TypeError("a pod template has a spec")
    server, *others = spec["containers"]
    is_ours = image.origin == "kaito"
    folder = FOLDER if is_ours else UPSTREAM_FOLDER
    fetched = {"name": CONTAINER, "mountPath": folder}
    verb = _pulling(image, folder)
    pull = carrying(carrier, CONTAINER, verb, items, fetched, *_source_mounts(workspace))
    fit = _fitting(carrier, workspace, image, items, str(server["image"]))
    known = {volume["name"] for volume in spec["volumes"]}
    volumes = [
        *spec["volumes"],
        {"name": CONTAINER, "emptyDir": {}},
        *(each for each in carrier_volumes(carrier, items) if each["name"] not in known),
        *_source_volumes(workspace),
    ]
    told = _told_by_flags(server) if is_ours else _told_by_variables(server, items)
    mounts = [*server["volumeMounts"], {**fetched, "readOnly": True}]
    return {
        **template,
        "spec": {
            **spec,
            "initContainers": [*spec.get("initContainers", []), pull, *fit],
            "containers": [{**server, **told, "volumeMounts": mounts}, *others],
            "volumes": volumes,
        },
    }


def _fitting(
    carrier: Carrier, workspace: Workspace, image: Image, items: tuple[Item, ...], reference: str
) -> list[Manifest]:
    """The container that refuses an adapter of another model before the weights are read.

    None where the weights are fetched later, and none in an image of the user's own, which may not
    hold the program: there the server says it.
    """
    wanted = preset_of(workspace)
    is_own = bool(wanted and wanted.access_mode == "private")
    if image.origin != "kaito" or image.weights != "image" or is_own:
        return []
    plain = tuple(replace(item, secrets=()) for item in items)
    verb = ["fit", f"--to={FOLDER}", f"--weights={image.weights_path}"]
    mount = {"name": CONTAINER, "mountPath": FOLDER, "readOnly": True}
    program = replace(carrier, image=reference, ca_bundle="", environment=())
    return [carrying(program, FIT, verb, plain, mount)]


def _pulling(image: Image, folder: str) -> list[str]:
    """The verb that fetches, for a server of that row."""
    as_they_are = [] if image.origin == "kaito" else ["--as-they-are"]
    limit = [f"--max-rank={MAX_RANK}"] if image.runtime == "vllm" else []
    return ["pull", f"--to={folder}", *as_they_are, *limit]


def _told_by_flags(server: Manifest) -> Manifest:
    """Where our servers look."""
    command = server["command"]
    words = list(command) if isinstance(command, list) else []
    return {"command": [*words, f"--adapters-dir={FOLDER}"]}


def _told_by_variables(server: Manifest, items: tuple[Item, ...]) -> Manifest:
    """What upstream's server looks for: a variable for each adapter, its strength."""
    found = server["env"]
    variables = [{"name": item.name, "value": f"{item.strength:g}"} for item in items]
    return {"env": [*(found if isinstance(found, list) else []), *variables]}


def _source_volumes(workspace: Workspace) -> list[Manifest]:
    """Volumes that hold adapters already."""
    adapters = workspace.inference.adapters if workspace.inference else ()
    return [
        {**adapter.source.volume_source, "name": f"adapter-{number}"}
        for number, adapter in enumerate(adapters)
        if adapter.source.volume_source is not None and not adapter.source.image
    ]


def _source_mounts(workspace: Workspace) -> list[Manifest]:
    """Where those volumes are seen."""
    return [
        {
            "name": volume["name"],
            "mountPath": f"{_SOURCES}/{str(volume['name']).rpartition('-')[2]}",
            "readOnly": True,
        }
        for volume in _source_volumes(workspace)
    ]


def _place(source: DataSource) -> str:
    """Which field of a source says where it is."""
    return "image" if source.image else "volumeSource"


def fetched_items(template: Mapping[str, object]) -> list[str]:
    """What the pods of a template fetch, as the program is told of it."""
    spec = template.get("spec")
    found = spec.get("initContainers") if isinstance(spec, dict) else None
    words = [
        word
        for container in (found if isinstance(found, list) else [])
        if isinstance(container, dict) and container.get("name") == CONTAINER
        for word in _words(container.get("command"))
    ]
    return [word for word in words if word.startswith(FLAG)]


def _words(command: object) -> list[str]:
    """The words of a command, as the API server has it."""
    return [str(word) for word in command] if isinstance(command, list) else []
