"""The definitions that the API server is given, judged by rules that are written here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack import definitions

MANIFESTS = Path(__file__).parents[3] / "manifests"
WORKSPACES = "crds/kaito.sh_workspaces.yaml"
MACHINES = "components/karpenter-crds/karpenter.sh_machines.yaml"
NODECLAIMS = "components/karpenter-crds/karpenter.sh_nodeclaims.yaml"
ALL = pytest.mark.parametrize("path", [WORKSPACES, MACHINES, NODECLAIMS])

KEYWORDS = {
    *("type", "format", "description", "default", "enum", "pattern", "required"),
    *("properties", "additionalProperties", "items", "anyOf"),
    *("minimum", "maximum", "minLength", "maxLength", "maxItems", "maxProperties"),
    *("x-kubernetes-validations", "x-kubernetes-preserve-unknown-fields"),
    *("x-kubernetes-int-or-string", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
}
TYPES = {"object", "array", "string", "integer", "number", "boolean"}


def crd(path: str) -> Any:
    return yaml.safe_load((MANIFESTS / path).read_text())


def versions(path: str) -> list[Any]:
    found: list[Any] = crd(path)["spec"]["versions"]
    return found


def schema(path: str) -> Any:
    """The schema of every version: they differ in their names only."""
    first, *others = (version["schema"]["openAPIV3Schema"] for version in versions(path))
    assert all(other == first for other in others)
    return first


def below(node: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """A schema and all schemas in it, each with its path."""
    yield where, node
    for name, inner in node.get("properties", {}).items():
        yield from below(inner, f"{where}.{name}")
    for keyword in ("items", "additionalProperties"):
        if keyword in node:
            yield from below(node[keyword], f"{where}[]")


def node_at(root: Any, path: list[str]) -> Any:
    """The schema that a path of a rule leads to; methods at its end are no fields."""
    for name in path:
        if name not in root.get("properties", {}):
            return root
        root = root["properties"][name]
    return root


def read_by(rule: str) -> set[str]:
    """Paths below `self` whose values a rule reads; `has` looks at presence only."""
    plain = rule.replace("oldSelf.value()", "oldSelf").replace("oldSelf.hasValue()", "true")
    without = re.sub(r"has\([^)]*\)", "", plain)
    return {found.group(1) for found in re.finditer(r"\b(?:self|oldSelf)((?:\.\w+)*)", without)}


def unbounded(node: Any, where: str) -> list[str]:
    """Lists, maps and strings in a schema that may have any size."""
    limits = {"array": "maxItems", "string": "maxLength"}
    loose = []
    for path, inner in below(node, where):
        limit = limits.get(inner.get("type", ""))
        if "additionalProperties" in inner:
            limit = "maxProperties"
        if limit and limit not in inner and "enum" not in inner:
            loose.append(f"{path} has no {limit}")
    return loose


def columns(path: str) -> list[tuple[str, str, str, int]]:
    first, *others = (version["additionalPrinterColumns"] for version in versions(path))
    assert all(other == first for other in others)
    return [
        (each["name"], each["jsonPath"], each["type"], each.get("priority", 0)) for each in first
    ]


def test_the_committed_definitions_are_what_the_types_say() -> None:
    assert definitions.stale() == []


def test_a_definition_that_is_missing_or_edited_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(definitions, "MANIFESTS", tmp_path)
    assert len(definitions.stale()) == 3

    assert definitions.main([]) == 0
    (tmp_path / MACHINES).write_text("edited")

    assert definitions.stale() == [Path(MACHINES)]
    assert definitions.main(["--check"]) == 1


@ALL
def test_a_schema_is_structural(path: str) -> None:
    for where, node in below(schema(path)):
        assert set(node) <= KEYWORDS, where
        if node.get("x-kubernetes-int-or-string"):
            assert node["anyOf"] == [{"type": "integer"}, {"type": "string"}], where
            continue
        assert "anyOf" not in node, where
        assert node["type"] in TYPES, where
        assert not {"properties", "additionalProperties"} <= set(node), where
        assert ("items" in node) == (node["type"] == "array"), where
        assert node.get("default", "") is not None, where
        assert set(node.get("required", [])) <= set(node.get("properties", {})), where


@ALL
def test_a_list_that_is_a_map_has_keys_that_every_entry_must_have(path: str) -> None:
    maps = [node for _, node in below(schema(path)) if node.get("x-kubernetes-list-type") == "map"]

    assert maps
    for each in maps:
        keys = each["x-kubernetes-list-map-keys"]
        assert set(keys) <= set(each["items"]["required"])
        assert all(each["items"]["properties"][key]["type"] == "string" for key in keys)


@ALL
def test_conditions_are_keyed_by_type_and_status_is_its_own_door(path: str) -> None:
    conditions = schema(path)["properties"]["status"]["properties"]["conditions"]

    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    for version in versions(path):
        assert version["subresources"] == {"status": {}}
        assert version["served"] is True
    assert [version["storage"] for version in versions(path)].count(True) == 1


def test_a_workspace_that_nobody_has_looked_at_yet_says_so() -> None:
    status = schema(WORKSPACES)["properties"]["status"]

    assert status["default"] == {"observedGeneration": -1}
    assert status["properties"]["observedGeneration"]["default"] == -1


def test_an_instance_type_is_never_guessed() -> None:
    resource = schema(WORKSPACES)["properties"]["resource"]

    assert "default" not in resource["properties"]["instanceType"]
    assert resource["required"] == ["labelSelector"]


def test_everything_that_a_rule_of_ours_reads_has_a_bound() -> None:
    root = schema(WORKSPACES)
    read = {
        f"{where}{path}": node_at(node, path.strip(".").split("."))
        for where, node in below(root)
        for each in node.get("x-kubernetes-validations", [])
        for path in read_by(each["rule"])
        if not path.startswith(".metadata")  # the API server's own type, with its own bounds
    }

    assert {".resource.labelSelector", ".inference.preset", ".tuning.method"} <= set(read)
    assert [loose for where, node in read.items() for loose in unbounded(node, where)] == []


@ALL
def test_every_rule_has_a_sentence_for_the_user(path: str) -> None:
    for where, node in below(schema(path)):
        for each in node.get("x-kubernetes-validations", []):
            assert each["rule"], where
            assert " " in each["message"], where


def test_every_field_of_the_spec_is_explained_to_the_user() -> None:
    unexplained = [
        where
        for where, node in below(schema(WORKSPACES))
        if where.count(".") > 1
        and not node.get("description")
        and not where.endswith("]")
        and not where.startswith((".status.conditions", ".resource.labelSelector"))
    ]

    assert unexplained == []


def test_a_workspace_is_found_under_its_names() -> None:
    definition = crd(WORKSPACES)

    assert definition["metadata"]["name"] == "workspaces.kaito.sh"
    assert definition["spec"]["scope"] == "Namespaced"
    assert definition["spec"]["names"] == {
        "kind": "Workspace",
        "listKind": "WorkspaceList",
        "plural": "workspaces",
        "singular": "workspace",
        "categories": ["workspace"],
        "shortNames": ["wk", "wks"],
    }
    assert [(version["name"], version["storage"]) for version in versions(WORKSPACES)] == [
        ("v1alpha1", False),
        ("v1beta1", True),
    ]


@pytest.mark.parametrize(
    ("path", "kind", "version"),
    [(MACHINES, "Machine", "v1alpha5"), (NODECLAIMS, "NodeClaim", "v1")],
)
def test_a_claim_is_cluster_scoped_and_in_karpenter_s_group(
    path: str, kind: str, version: str
) -> None:
    spec = crd(path)["spec"]

    assert (spec["group"], spec["scope"]) == ("karpenter.sh", "Cluster")
    assert (spec["names"]["kind"], spec["names"]["categories"]) == (kind, ["karpenter"])
    assert [each["name"] for each in versions(path)] == [version]


def status_of(type_: str) -> str:
    return f'.status.conditions[?(@.type=="{type_}")].status'


AGE = ("Age", ".metadata.creationTimestamp", "date", 0)
TYPE = ("Type", r".metadata.labels.node\.kubernetes\.io/instance-type", "string", 0)
ZONE = ("Zone", r".metadata.labels.topology\.kubernetes\.io/zone", "string", 0)
NODE = ("Node", ".status.nodeName", "string", 0)
READY = ("Ready", status_of("Ready"), "string", 0)
CAPACITY = r".metadata.labels.karpenter\.sh/capacity-type"


def test_kubectl_shows_the_columns_of_a_workspace() -> None:
    assert [column for column in columns(WORKSPACES) if column[3] == 0] == [
        ("Instance", ".resource.instanceType", "string", 0),
        ("ResourceReady", status_of("ResourceReady"), "string", 0),
        ("InferenceReady", status_of("InferenceReady"), "string", 0),
        ("WorkspaceReady", status_of("WorkspaceReady"), "string", 0),
        AGE,
    ]
    assert [name for name, *_, priority in columns(WORKSPACES) if priority] == [
        "Nodes",
        "State",
        "Reason",
    ]


def test_kubectl_shows_the_columns_of_a_machine() -> None:
    assert columns(MACHINES) == [
        TYPE,
        ZONE,
        NODE,
        READY,
        AGE,
        ("Capacity", CAPACITY, "string", 1),
        ("Provisioner", r".metadata.labels.karpenter\.sh/provisioner-name", "string", 1),
        ("Template", ".spec.machineTemplateRef.name", "string", 1),
    ]


def test_kubectl_shows_the_columns_of_a_nodeclaim() -> None:
    assert columns(NODECLAIMS) == [
        TYPE,
        ("Capacity", CAPACITY, "string", 0),
        ZONE,
        NODE,
        READY,
        AGE,
        ("ImageID", ".status.imageID", "string", 1),
        ("ID", ".status.providerID", "string", 1),
        ("NodePool", r".metadata.labels.karpenter\.sh/nodepool", "string", 1),
        ("NodeClass", ".spec.nodeClassRef.name", "string", 1),
        ("Drifted", status_of("Drifted"), "string", 1),
    ]
