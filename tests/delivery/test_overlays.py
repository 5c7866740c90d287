"""Each overlay on a real API server: one apply, no difference afterwards, and nothing left."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from kaito.catalog.catalog import read_catalog
from kaito.settings import Settings
from kaito.sizing.verdicts import verdicts
from tests.bystander import Bystander, Finished, Json, run, until
from tests.delivery.overlays import (
    DEFINITIONS,
    INSTALLED_BY,
    MANIFESTS,
    emptied,
    filling,
    installing,
    is_bare,
    is_served,
    rendered,
)
from tests.delivery.pages import sample

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(400)]

OURS = "app.kubernetes.io/part-of=kaito"
OPERATOR = "app.kubernetes.io/component!=crd"
DEFINITION = f"{DEFINITIONS}/workspaces.kaito.sh"
APART = {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
PEOPLE = {"kaito-view", "kaito-edit", "kaito-nodes-view", "kaito-metrics-reader"}
"""Roles that no process of ours has."""


@dataclass(frozen=True)
class Installed:
    """An overlay on the server.

    Attributes:
        server: where it is.
        path: of the overlay.
        applied: what kubectl said.
        objects: what the overlay holds.
    """

    server: Bystander
    path: str
    applied: Finished
    objects: tuple[Json, ...]

    def of_kind(self, *kinds: str) -> list[Json]:
        """Its objects of these kinds."""
        return [each for each in self.objects if each["kind"] in kinds]


@pytest_asyncio.fixture(scope="module", loop_scope="package", params=INSTALLED_BY)
async def installed(empty: Bystander, request: pytest.FixtureRequest) -> AsyncIterator[Installed]:
    """One overlay after the other, each by one `kubectl apply -k`."""
    path = str(MANIFESTS / "overlays" / request.param)
    _, *words = installing(request.param).text.split()
    applied = await empty.kubectl(*words)
    yield Installed(empty, path, applied, await rendered(empty, path))
    await until("the new Kinds to be served", lambda: is_served(empty))
    gone = await empty.kubectl("delete", "-k", path, "--wait=false", "--ignore-not-found")
    assert gone.code == 0, gone.errors
    await until("the namespaces to be gone", lambda: emptied(empty))
    await until("the definitions to be gone", lambda: is_bare(empty))


async def test_one_apply_on_an_empty_cluster_is_enough(installed: Installed) -> None:
    assert installed.applied.code == 0, installed.applied.errors
    assert installed.applied.output.count(" created\n") == len(installed.objects)


async def test_nothing_differs_afterwards(installed: Installed) -> None:
    difference = await installed.server.kubectl("diff", "-k", installed.path)
    again = await installed.server.kubectl("apply", "-k", installed.path)

    assert (difference.code, difference.output) == (0, ""), difference.errors
    assert " created\n" not in again.output


async def test_server_side_apply_and_its_dry_run_accept_it(installed: Installed) -> None:
    dry = ("--server-side", "--dry-run=server", "--force-conflicts", "--validate=strict")

    applied = await installed.server.kubectl("apply", "-k", installed.path, *dry)

    assert applied.code == 0, applied.errors


async def test_everything_carries_our_label(installed: Installed) -> None:
    key, _, value = OURS.partition("=")
    unlabelled = [
        f"{each['kind']} {each['metadata']['name']}"
        for each in installed.objects
        if each["metadata"].get("labels", {}).get(key) != value
    ]

    assert unlabelled == []


async def test_our_pods_are_admitted_where_restricted_is_enforced(installed: Installed) -> None:
    path = "/api/v1/namespaces/kaito-system/pods?dryRun=All"
    deployments = installed.of_kind("Deployment")

    answers = [
        await installed.server.kubectl("create", "--raw", path, "-f", "-", stdin=as_pod(deployment))
        for deployment in deployments
    ]

    assert deployments
    assert [(each.code, each.errors) for each in answers] == [(0, "")] * len(answers)


async def test_our_pods_come_before_others_and_on_nodes_apart(installed: Installed) -> None:
    (priority,) = installed.of_kind("PriorityClass")
    deployments = installed.of_kind("Deployment")

    assert deployments
    for template in (each["spec"]["template"] for each in deployments):
        spread = template["spec"]["topologySpreadConstraints"]
        assert template["spec"]["priorityClassName"] == priority["metadata"]["name"]
        assert {each["topologyKey"] for each in spread} == APART
        for selector in (each["labelSelector"]["matchLabels"] for each in spread):
            assert selector.items() <= template["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"privileged": True, "allowPrivilegeEscalation": True}, "privileged"),
        ({"runAsUser": 0}, "runAsUser=0"),
        ({"capabilities": {"add": ["NET_ADMIN"]}}, "unrestricted capabilities"),
    ],
    ids=["privileged", "root", "capable"],
)
async def test_a_pod_with_more_power_is_refused_in_the_operator_s_namespace(
    installed: Installed, change: Json, said: str
) -> None:
    path = "/api/v1/namespaces/kaito-system/pods?dryRun=All"
    pod = as_pod(installed.of_kind("Deployment")[0], **change)

    answer = await installed.server.kubectl("create", "--raw", path, "-f", "-", stdin=pod)

    assert answer.code == 1
    assert 'violates PodSecurity "restricted' in answer.errors
    assert said in answer.errors


async def test_the_guide_s_way_to_a_proxy_opens_a_port_that_is_shut(installed: Installed) -> None:
    page = sample("docs/guides/air-gapped.md", "NetworkPolicy")
    (opened,) = yaml.safe_load(page)["spec"]["egress"][0]["ports"]

    dry = ("create", "--dry-run=server", "--validate=strict", "-f", "-")
    accepted = await installed.server.kubectl(*dry, stdin=page)

    rules = [
        rule
        for policy in installed.of_kind("NetworkPolicy")
        for rule in policy["spec"].get("egress", ())
    ]
    assert accepted.code == 0, accepted.errors
    assert {port["port"] for rule in rules for port in rule["ports"]} == {53, 443, 6443}
    assert opened["port"] not in {53, 443, 6443}


def as_pod(deployment: Json, **security: object) -> str:
    """A pod as the Deployment makes them, with something else in its container's security."""
    template = copy.deepcopy(deployment["spec"]["template"])
    template["metadata"]["name"] = deployment["metadata"]["name"]
    template["spec"]["containers"][0]["securityContext"].update(security)
    return json.dumps({"apiVersion": "v1", "kind": "Pod", **template})


async def test_no_process_of_ours_has_a_wildcard_or_reads_a_secret(installed: Installed) -> None:
    rules = [
        (role["metadata"]["name"], rule)
        for role in installed.of_kind("ClusterRole", "Role")
        for rule in role["rules"]
    ]
    wild = [name for name, rule in rules if "*" in str(rule)]
    secret = [name for name, rule in rules if "secrets" in rule.get("resources", ())]

    assert rules
    assert (wild, secret) == ([], [])


async def test_rights_that_are_bound_are_those_of_what_runs(installed: Installed) -> None:
    runs = {each["metadata"]["name"] for each in installed.of_kind("Deployment")}
    subjects = {
        subject["name"]
        for binding in installed.of_kind("ClusterRoleBinding", "RoleBinding")
        for subject in binding["subjects"]
    }
    bound = {
        binding["roleRef"]["name"]
        for binding in installed.of_kind("ClusterRoleBinding", "RoleBinding")
    }
    roles = {each["metadata"]["name"] for each in installed.of_kind("ClusterRole", "Role")}

    assert subjects == runs
    assert roles - bound == PEOPLE


async def test_admission_and_controller_read_the_same_catalogue(installed: Installed) -> None:
    told = Settings.model_validate(
        {key.removeprefix("KAITO_").lower(): value for key, value in settings(installed).items()}
    )
    catalog = read_catalog(told.presets_dir, cloud=told.cloud, origin=told.preset_images)
    (table,) = [
        each
        for each in installed.of_kind("ConfigMap")
        if each["metadata"]["name"] == "kaito-sizing"
    ]

    assert table["data"] == verdicts(catalog)


async def test_models_come_from_a_registry_that_is_named(installed: Installed) -> None:
    if installed.path.endswith("local"):
        assert settings(installed) == {}
        return
    told = settings(installed)

    assert told["KAITO_PRESET_IMAGES"] == "upstream"
    assert told["KAITO_PRESET_REGISTRY"] == (
        "REGISTRY_HERE/kaito"
        if installed.path.endswith("airgapped")
        else "mcr.microsoft.com/aks/kaito"
    )
    assert "kaito-artifacts" in told["KAITO_ARTIFACTS_IMAGE"]


def settings(installed: Installed) -> dict[str, str]:
    """What the overlay sets of the workspace controller, as its Deployment refers to it."""
    (controller,) = [
        each for each in installed.of_kind("Deployment") if each["metadata"]["name"] == "kaito"
    ]
    (source,) = controller["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    name = source["configMapRef"]["name"]
    found = [
        each["data"] for each in installed.of_kind("ConfigMap") if each["metadata"]["name"] == name
    ]
    return dict(found[0]) if found else {}


async def test_no_overlay_opens_the_metrics_to_everybody(installed: Installed) -> None:
    text = json.dumps(installed.objects)

    assert ("metrics_access" in text.lower(), "--metrics-access" in text) == (False, False)


async def test_each_process_may_renew_the_lease_of_its_name(installed: Installed) -> None:
    for name in [each["metadata"]["name"] for each in installed.of_kind("Deployment")]:
        account = f"--as=system:serviceaccount:kaito-system:{name}"
        for verb in ("get", "update"):
            words = ("auth", "can-i", verb, f"leases/{name}", "--namespace=kaito-system", account)

            async def allowed(words: tuple[str, ...] = words) -> bool:
                return (await installed.server.kubectl(*words)).output == "yes\n"

            assert await until(f"{name} to {verb} its lease", allowed, limit_seconds=20)


async def test_the_built_in_roles_let_people_use_workspaces(installed: Installed) -> None:
    (view,) = [
        each
        for each in installed.of_kind("ClusterRole")
        if each["metadata"]["name"] == "kaito-view"
    ]

    assert view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    assert view["rules"] == [
        {"apiGroups": ["kaito.sh"], "resources": ["workspaces"], "verbs": ["get", "list", "watch"]}
    ]


async def test_who_removes_the_operator_keeps_the_workspaces(installed: Installed) -> None:
    server = installed.server

    removed = await server.kubectl(
        "delete", "-k", installed.path, "--selector", OPERATOR, "--wait=false"
    )

    assert removed.code == 0, removed.errors
    assert "deployment.apps" in removed.output
    assert await server.get(DEFINITION) is not None
    assert await server.items("/apis/apps/v1/deployments") == []


async def test_whatever_tool_removes_the_operator_keeps_the_definitions(
    installed: Installed,
) -> None:
    kept = {
        "kustomize.toolkit.fluxcd.io/prune": "disabled",
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    }

    definitions = installed.of_kind("CustomResourceDefinition")
    bare = {
        each["metadata"]["name"]
        for each in definitions
        if not kept.items() <= each["metadata"].get("annotations", {}).items()
    }

    assert definitions
    assert bare == set()


async def test_the_guide_s_lines_fill_in_the_overlay_for_aks(
    empty: Bystander, tmp_path: Path
) -> None:
    shutil.copytree(MANIFESTS, tmp_path / "manifests")
    told = {"SUBSCRIPTION_ID": "sub", "RESOURCE_GROUP": "group", "CLUSTER": "c", "LOCATION": "here"}
    script = f"cd {tmp_path}\n{filling().text}"

    typed = await run("bash", "-euc", script, environment={**told, "CLIENT_ID": "me"})

    assert typed.code == 0, typed.errors
    objects = await rendered(empty, str(tmp_path / "manifests" / "overlays" / "aks"))
    (cloud,) = [
        each["data"]
        for each in objects
        if each["kind"] == "ConfigMap" and "AZURE_CLUSTER_NAME" in each["data"]
    ]
    assert cloud == {
        "ARM_SUBSCRIPTION_ID": "sub",
        "ARM_RESOURCE_GROUP": "group",
        "AZURE_CLUSTER_NAME": "c",
        "LOCATION": "here",
    }
    clients = [
        each["metadata"]["annotations"]["azure.workload.identity/client-id"]
        for each in objects
        if each["kind"] == "ServiceAccount" and "annotations" in each["metadata"]
    ]
    assert clients == ["me"]
    assert "_HERE" not in str(objects)
