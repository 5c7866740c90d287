"""Components on a real API server that has the Prometheus operator's own definitions."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from hack.cluster.cache import cache_folder
from hack.monitoring.kinds import kinds
from tests.bystander import Bystander, Json, until
from tests.delivery.overlays import MANIFESTS, emptied, is_bare, is_served, rendered

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(400)]

GROUP = "monitoring.coreos.com"
OURS = f"/apis/{GROUP}/v1/namespaces/kaito-system"
ALERTS = MANIFESTS.parent / "docs" / "reference" / "alerts.md"

(CHART,) = re.findall(
    r"^```yaml\n(components:\n.*?)^```$",
    (MANIFESTS.parent / "docs/guides/aks.md").read_text(),
    re.DOTALL | re.MULTILINE,
)
"""What the page on AKS adds to a kustomization where Prometheus came by its chart."""


def monitoring(folder: Path) -> Json:
    """A kustomization in a folder, with what the page says: kustomize takes no absolute paths."""
    component = os.path.relpath(MANIFESTS / "components" / "monitoring", folder)
    (said,) = re.findall(r"^```yaml\n(.*?)^```$", ALERTS.read_text(), re.DOTALL | re.MULTILINE)
    return yaml.safe_load(said) | {
        "labels": yaml.safe_load(CHART)["labels"],
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(MANIFESTS / "overlays" / "aks", folder)],
        "components": [component, f"{component}/provisioner"],
    }


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def monitored(
    empty: Bystander, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bystander]:
    """The overlay in which both programs run, with monitoring switched on, as the page says."""
    folder = tmp_path_factory.mktemp("overlay")
    definitions = str(kinds(cache_folder(), offline=True, report=print))
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(monitoring(folder)))
    made = await empty.kubectl("apply", "--server-side", "-f", definitions)
    assert made.code == 0, made.errors

    async def applied() -> bool:
        return (await empty.kubectl("apply", "-k", str(folder))).code == 0

    await until("the new Kinds to be known", applied)
    await until("the new Kinds to be served", lambda: is_served(empty))
    yield empty
    for words in (("-k", str(folder)), ("-f", definitions)):
        gone = await empty.kubectl("delete", *words, "--wait=false", "--ignore-not-found")
        assert gone.code == 0, gone.errors
    await until("the namespaces to be gone", lambda: emptied(empty))
    await until("the definitions to be gone", lambda: is_bare(empty))


async def test_prometheus_finds_the_controllers_and_the_models(monitored: Bystander) -> None:
    found = {
        each["metadata"]["name"]: each["spec"]
        for each in await monitored.items(f"{OURS}/podmonitors")
    }
    (own,) = found["kaito"]["podMetricsEndpoints"]
    secret = await monitored.get("/api/v1/namespaces/kaito-system/secrets/metrics-reader")

    assert set(found) == {"kaito", "kaito-models"}
    assert (own["scheme"], own["port"]) == ("https", "metrics")
    assert own["authorization"]["credentials"] == {"name": "metrics-reader", "key": "token"}
    assert secret["type"] == "kubernetes.io/service-account-token"


async def test_prometheus_of_the_chart_takes_what_is_found_by_its_release(
    monitored: Bystander,
) -> None:
    (pairs,) = (each["pairs"] for each in yaml.safe_load(CHART)["labels"])
    kinds = ("podmonitors", "prometheusrules")
    found = [each for kind in kinds for each in await monitored.items(f"{OURS}/{kind}")]
    pods = await monitored.get("/apis/apps/v1/namespaces/kaito-system/deployments/kaito")

    assert len(found) == 4
    assert {each["metadata"]["labels"]["release"] for each in found} == {pairs["release"]}
    assert "release" not in pods["spec"]["selector"]["matchLabels"]


async def test_the_rules_arrive_whole_and_link_to_where_the_page_is_read(
    monitored: Bystander,
) -> None:
    folder = MANIFESTS / "components" / "monitoring"
    pages = (
        "https://DOCS_HERE/reference/",
        "https://git.example.com/kaito/blob/main/docs/reference/",
    )
    written = [
        yaml.safe_load(path.read_text().replace(*pages))["spec"]
        for path in (folder / "rules.yaml", folder / "provisioner" / "rules.yaml")
    ]

    rules = await monitored.items(f"{OURS}/prometheusrules")

    assert [each["spec"] for each in rules] == written


async def test_a_rule_that_the_prometheus_operator_does_not_know_is_refused(
    monitored: Bystander,
) -> None:
    rules = (MANIFESTS / "components" / "monitoring" / "provisioner" / "rules.yaml").read_text()

    tried = await monitored.kubectl(
        *("create", "--dry-run=server", "-f", "-"), stdin=rules.replace("expr:", "expression:")
    )

    assert tried.code != 0
    assert 'unknown field "spec.groups[0].rules[0].expression"' in tried.errors


async def test_grafana_finds_the_dashboards_by_their_label(monitored: Bystander) -> None:
    (found,) = await monitored.items(
        "/api/v1/namespaces/kaito-system/configmaps", "grafana_dashboard=1"
    )
    boards = {name: json.loads(text)["title"] for name, text in found["data"].items()}

    # Under one name for ever: `kubectl apply` removes nothing, and Grafana would show the old ones.
    assert found["metadata"]["name"] == "kaito-dashboards"
    assert boards == {
        "operator.json": "KAITO / operator",
        "provisioning.json": "KAITO / provisioning and cost",
        "models.json": "KAITO / models",
    }


async def test_the_device_plugin_goes_to_nodes_of_ours_alone(monitored: Bystander) -> None:
    path = str(MANIFESTS / "overlays" / "aks")
    built = await monitored.kubectl("kustomize", path)
    (plugin,) = [each for each in yaml.safe_load_all(built.output) if each["kind"] == "DaemonSet"]

    assert plugin["spec"]["template"]["spec"]["nodeSelector"] == {"kaito.sh/machine-type": "gpu"}


async def test_the_operator_under_flux_has_the_values_of_the_page(
    empty: Bystander, tmp_path: Path
) -> None:
    shutil.copytree(MANIFESTS, tmp_path / "manifests")
    guide = (MANIFESTS.parent / "docs/guides/gitops.md").read_text()
    (said,) = re.findall(r"^```yaml\n(apiVersion: kustomize.config.*?)^```$", guide, re.S | re.M)
    (tmp_path / "kustomization.yaml").write_text(said)

    objects = {
        (each["kind"], each["metadata"]["name"].partition("-azure-")[0]): each
        for each in await rendered(empty, str(tmp_path))
    }

    (image,) = (
        each["image"]
        for each in objects["Deployment", "kaito"]["spec"]["template"]["spec"]["containers"]
    )
    account = objects["ServiceAccount", "provisioner"]["metadata"]["annotations"]
    assert image == "myregistry.azurecr.io/kaito/kaito:0.1.0"
    assert account["azure.workload.identity/client-id"] == "CLIENT_ID_HERE"
    assert objects["ConfigMap", "provisioner"]["data"] == {
        "ARM_SUBSCRIPTION_ID": "SUBSCRIPTION_HERE",
        "ARM_RESOURCE_GROUP": "kaito",
        "AZURE_CLUSTER_NAME": "kaito",
        "LOCATION": "eastus",
    }
