"""The page of rights says what the roles of manifests/rbac give, and to whom."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from hack import rights
from tests.bystander import Bystander
from tests.delivery.overlays import MANIFESTS, rendered
from tests.delivery.pages import ROOT, sample
from tests.rights import RBAC, Right, granted

PAGE = (ROOT / "docs/reference/rights.md").read_text()


def told() -> set[Right]:
    """Every right of the tables of the two accounts."""
    return {
        Right(account, verb.split(" ")[0], resource)
        for account, section in re.findall(r"## `(\w+)`\n(.*?)(?=\n## )", PAGE, re.DOTALL)
        for resource, verbs in re.findall(r"^\| `([\w./]+)` \| ([^|]+) \|", section, re.MULTILINE)
        for verb in verbs.split(", ")
    }


def test_the_page_has_every_right_that_is_granted_and_no_other() -> None:
    assert told() == granted()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("[services]", "[services, endpoints]"), ("resources: [jobs]", "resources: [cronjobs]")],
    ids=["a right without a purpose", "a purpose without its right"],
)
def test_a_right_and_its_purpose_come_and_go_together(
    tmp_path: Path, theirs: str, ours: str
) -> None:
    folder = tmp_path / rights.FOLDER
    shutil.copytree(RBAC, folder)
    roles = (folder / "kaito.yaml").read_text()
    assert theirs in roles
    (folder / "kaito.yaml").write_text(roles.replace(theirs, ours))

    with pytest.raises(ValueError, match=r"rights and hack/rights\.py differ"):
        rights.page(tmp_path)


def test_the_page_tells_of_what_no_role_shows() -> None:
    objects = [
        each
        for path in sorted(MANIFESTS.rglob("*.yaml"))
        if "overlays" not in path.parts and "examples" not in path.parts
        for each in yaml.safe_load_all(path.read_text())
        if each and "kind" in each
    ]
    privileged = [
        each["metadata"]["name"]
        for each in objects
        if each["kind"] == "Namespace" and "privileged" in each["metadata"]["labels"].values()
    ]
    folders = re.findall(r"'hostPath': \{'path': '([^']+)'", str(objects))
    tokens = [
        each["metadata"]["name"]
        for each in objects
        if each["kind"] == "Secret" and each["type"] == "kubernetes.io/service-account-token"
    ]
    beside = PAGE.partition("## Beside the roles\n")[2].partition("\n## ")[0]

    assert (len(privileged), len(folders), len(tokens)) == (1, 1, 1)
    assert [each for each in [*privileged, *folders, *tokens] if f"`{each}`" not in beside] == []


@pytest.mark.asyncio(loop_scope="package")
async def test_the_guide_opens_a_port_of_the_api_server_that_our_policies_shut(
    empty: Bystander,
) -> None:
    policies = list(yaml.safe_load_all((MANIFESTS / "network" / "policies.yaml").read_text()))
    ports = [
        port["port"]
        for each in policies
        for rule in each["spec"].get("egress", ())
        for port in rule["ports"]
    ]
    page = sample("docs/guides/own-nodes.md", "NetworkPolicy")
    (opened,) = yaml.safe_load(page)["spec"]["egress"][0]["ports"]

    dry = ("create", "--dry-run=server", "--validate=strict", "-f", "-")
    there = page.replace("kaito-system", "default")
    accepted = await empty.kubectl(*dry, stdin=there)

    assert accepted.code == 0, accepted.errors
    assert set(ports) == {53, 443, 6443}
    assert "out at the ports 53,\n  443 and 6443 alone" in PAGE
    assert opened["port"] not in ports


@pytest.mark.asyncio(loop_scope="package")
@pytest.mark.parametrize(
    ("overlay", "asked_for"),
    [("aks", {"machines", "nodeclaims"}), ("byo", set()), ("karpenter", {"nodeclaims"})],
)
async def test_an_overlay_lets_kaito_ask_for_what_its_setting_allows_and_see_all(
    empty: Bystander, overlay: str, asked_for: set[str]
) -> None:
    objects = await rendered(empty, str(MANIFESTS / "overlays" / overlay))
    (role,) = (
        each
        for each in objects
        if (each["kind"], each["metadata"]["name"]) == ("ClusterRole", "kaito")
    )
    claims = [
        (verb, resource)
        for rule in role["rules"]
        if rule["apiGroups"] == ["karpenter.sh"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]

    assert {resource for verb, resource in claims if verb == "create"} == asked_for
    assert {each for each in claims if each[0] != "create"} == {
        (verb, resource)
        for verb in ("get", "list", "watch", "delete")
        for resource in ("machines", "nodeclaims")
    }
