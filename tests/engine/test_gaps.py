"""What happens while nobody watches, in all the ways in which a server can forget it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hack.cluster.layout import Layout
from kaito.kube.client import Client
from tests.engine.maps import CONFIG_MAPS, Maps, following
from tests.engine.proxy import Proxy
from tests.realserver import compact

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]


async def test_r13_the_real_server_streams_the_list(
    link: Proxy, client: Client, maps: Maps
) -> None:
    await maps.create("a")

    async with following(client, maps) as seen:
        await seen.until(await maps.state())

    assert len(link.seen) == 1
    assert "sendInitialEvents=true" in link.seen[0]


async def test_r7_what_was_missed_in_a_short_gap_is_told_without_a_list(
    link: Proxy, client: Client, maps: Maps
) -> None:
    await maps.create("kept")
    await maps.create("gone")

    async with following(client, maps) as seen:
        link.cut_off()
        await maps.delete("gone")
        await maps.change("kept", "2")
        link.restore()
        await seen.until(await maps.state())
        told = seen.told

    assert told == {"kept": "2"}
    assert sum("sendInitialEvents" in each or "limit" in each for each in link.seen) == 1


async def test_r2_a_gap_that_etcd_has_compacted_costs_one_list_and_loses_nothing(
    layout: Layout, link: Proxy, client: Client, maps: Maps
) -> None:
    for name in ("kept", "gone", "again"):
        await maps.create(name)

    async with following(client, maps) as seen:
        link.cut_off()
        await maps.delete("gone")
        await maps.delete("again")
        await maps.create("again", "9")
        last = await maps.change("kept", "2")
        await compact(layout, last.metadata.resource_version)
        link.restore()
        await seen.until(await maps.state())
        told, changes = seen.told, seen.changes[3:]

    assert told == {"kept": "2", "again": "9"}
    assert sorted(changes, key=str) == sorted(
        [("gone", "1", None), ("again", "1", None), ("again", None, "9"), ("kept", "1", "2")],
        key=str,
    )
    assert sum("sendInitialEvents" in each for each in link.seen) == 2


async def test_t5_a_token_that_the_server_refuses_is_read_again(
    layout: Layout, maps: Maps, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("refused\n")
    configuration = yaml.safe_load(layout.admin_kubeconfig.read_text())
    configuration["users"][0]["user"] = {"tokenFile": str(token)}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(configuration))
    rotated = await _token(maps)
    await maps.create("a")
    client = await Client.connect(
        user_agent="engine", field_manager="engine", kubeconfig=str(kubeconfig)
    )
    try:
        token.write_text(rotated)
        async with following(client, maps) as seen:
            await maps.change("a", "2")
            await seen.until(await maps.state())
        assert await client.get(CONFIG_MAPS, maps.ref("a")) is not None
    finally:
        await client.close()


async def _token(maps: Maps) -> str:
    """A token of a ServiceAccount that may do everything."""
    name, accounts = maps.group, "/api/v1/namespaces/default/serviceaccounts"
    request = maps.client.request
    await request("POST", accounts, body={"metadata": {"name": name}})
    subject = {"kind": "ServiceAccount", "name": name, "namespace": "default"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    binding = {"metadata": {"name": name}, "subjects": [subject], "roleRef": role}
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    await request("POST", bindings, body=binding)
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = await request("POST", f"{accounts}/{name}/token", body=body)
    assert isinstance(answer, dict)
    return str(answer["status"]["token"])
