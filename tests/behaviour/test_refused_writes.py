"""What a real API server, or a webhook that it asks, has against our writes is told, and mended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

import pytest

from tests.bystander import Bystander, Json, condition, holds, quick_start, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

IDLE = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
AT_ONCE: Json = {"exec": {"command": ["true"]}, "periodSeconds": 1}
TWICE = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
GROUPS = {"machines": "karpenter.sh", "services": "", "deployments": "apps"}
"""What a workspace of a preset needs, in the order in which it cannot do without."""


def templated(name: str, **fields: Json) -> str:
    """A Workspace of a template with one container."""
    container: Json = {"name": "server", "image": "local/shell:1", "command": IDLE}
    container |= {"readinessProbe": AT_ONCE, **fields}
    return quick_start(name, inference={"template": {"spec": {"containers": [container]}}})


def webhook(name: str, plurals: Sequence[str]) -> str:
    """A webhook that nobody answers, and that is asked of these objects of one Workspace."""
    rules = [
        {
            "apiGroups": [GROUPS[plural]],
            "apiVersions": ["*"],
            "resources": [plural],
            "operations": ["CREATE", "UPDATE"],
        }
        for plural in plurals
    ]
    hook = {
        "name": "closed.example.com",
        "clientConfig": {"url": "https://127.0.0.1:9/"},
        "objectSelector": {"matchLabels": {"kaito.sh/workspace": name}},
        "rules": rules,
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 2,
    }
    return json.dumps(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "closed"},
            "webhooks": [hook],
        }
    )


async def apply(cluster: Bystander, text: str) -> None:
    applied = await cluster.kubectl("apply", "-f", "-", stdin=text)
    assert applied.code == 0, applied.errors


async def told(cluster: Bystander, name: str, words: str) -> Json:
    """The workspace, once its Ready says that the API server has something against that."""
    found = await cluster.workspace(name)
    ready = condition(found, "Ready")
    is_told = ready.get("reason") == "RefusedByAPIServer" and words in ready["message"]
    return found if is_told else None


async def deployment(cluster: Bystander, name: str) -> Json:
    """Metadata of a Deployment."""
    found = await cluster.get(f"/apis/apps/v1/namespaces/default/deployments/{name}")
    return found["metadata"]


async def is_ready(cluster: Bystander, name: str) -> bool:
    return holds(await cluster.workspace(name), "Ready")


async def delete(cluster: Bystander, name: str) -> None:
    deleted = await cluster.kubectl("delete", "workspace", name, "--timeout=180s")
    assert deleted.code == 0, deleted.errors


async def test_a_misspelt_field_of_a_template_is_told_until_it_is_mended(
    cluster: Bystander,
) -> None:
    await apply(cluster, templated("misspelt", commands=IDLE))

    refused = await until("the field", partial(told, cluster, "misspelt", "containers[0].commands"))

    assert holds(refused, "Stalled")
    assert "inference.template" in condition(refused, "Ready")["message"]
    await apply(cluster, templated("misspelt"))
    await until("it to be ready", partial(is_ready, cluster, "misspelt"))


async def test_a_mistake_in_a_template_that_runs_is_told_until_it_is_mended(
    cluster: Bystander,
) -> None:
    for mistake, words in (
        ({"commands": IDLE}, "commands: field not declared"),
        ({"env": TWICE}, 'duplicate entries for key [name="A"]'),
    ):
        await apply(cluster, templated("misspelt", **mistake))

        refused = await until(words, partial(told, cluster, "misspelt", words))

        assert "inference.template" in condition(refused, "Ready")["message"]
        await apply(cluster, templated("misspelt"))
        await until("it to be ready", partial(is_ready, cluster, "misspelt"))


async def test_a_workload_that_somebody_takes_our_label_off_is_given_it_back(
    cluster: Bystander,
) -> None:
    uid = (await deployment(cluster, "misspelt"))["uid"]
    stripped = await cluster.kubectl("label", "deployment", "misspelt", "kaito.sh/workspace-")
    assert stripped.code == 0, stripped.errors

    async def labelled() -> bool:
        found = await deployment(cluster, "misspelt")
        return found["uid"] == uid and "kaito.sh/workspace" in found.get("labels", {})

    await until("the label", labelled)


async def test_a_claim_that_somebody_takes_our_label_off_is_told_and_found_again(
    cluster: Bystander,
) -> None:
    (name,) = [each["metadata"]["name"] for each in await cluster.machines("misspelt")]
    stripped = await cluster.kubectl("label", "machine", name, "kaito.sh/workspace-")
    assert stripped.code == 0, stripped.errors

    async def message() -> str:
        found = condition(await cluster.workspace("misspelt"), "Ready")
        return str(found["message"]) if found.get("reason") == "LabelsLost" else ""

    command = (await until("that it is lost", message)).split("`")[1]

    kind, wanted = "machines.karpenter.sh", "kaito.sh/workspace=misspelt"
    assert command == f"kubectl label --overwrite {kind} {name} {wanted}"
    mended = await cluster.kubectl(*command.split()[1:])
    assert mended.code == 0, mended.errors
    await until("it to be ready", partial(is_ready, cluster, "misspelt"))
    assert len(await cluster.machines("misspelt")) == 1
    await delete(cluster, "misspelt")


async def test_a_webhook_that_fails_is_told_and_once_it_is_mended_the_rest_follows(
    cluster: Bystander,
) -> None:
    plurals = list(GROUPS)
    await apply(cluster, webhook("watched", plurals))
    await apply(cluster, quick_start("watched"))

    while plurals:
        words = f"creating {'' if plurals[0] == 'machines' else plurals[0][:-1].capitalize()}"
        refused = await until(words, partial(told, cluster, "watched", words))
        message = condition(refused, "Ready")["message"]
        assert 'failed calling webhook "closed.example.com"' in message
        assert not holds(refused, "Stalled")
        mended = plurals.pop(0)
        await apply(cluster, webhook("watched", plurals))
        # By itself it is tried again ever more seldom; a change has it tried at once.
        touched = await cluster.kubectl("annotate", "workspace", "watched", f"mended-{mended}=yes")
        assert touched.code == 0, touched.errors

    await until("it to be ready", partial(is_ready, cluster, "watched"))
    await delete(cluster, "watched")
    gone = await cluster.kubectl("delete", "validatingwebhookconfiguration", "closed")
    assert gone.code == 0, gone.errors
