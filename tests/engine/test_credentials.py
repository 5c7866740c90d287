"""Who we are: tokens that are rotated, and rights that are taken away and given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kaito.api.machine import MACHINES
from kaito.kube.backoff import Backoff
from kaito.kube.client import Client
from kaito.kube.errors import Denied
from kaito.kube.informer import Informer
from kaito.kube.reflector import Patience, Selection
from tests.bystander import LIMIT_SECONDS
from tests.engine.accounts import Account, kubeconfig, store
from tests.engine.maps import CONFIG_MAPS, Maps, following
from tests.engine.proxy import Proxy

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture(loop_scope="session")
async def account(maps: Maps) -> Account:
    """An account that may do everything."""
    account = Account(maps.client, maps.group)
    await account.make()
    await account.allow()
    return account


@pytest.fixture
def token_file(link: Proxy, tmp_path: Path) -> Path:
    """Where the client's token is read from."""
    return kubeconfig(tmp_path, link.url)[1]


@pytest_asyncio.fixture(loop_scope="session")
async def pod(account: Account, token_file: Path) -> AsyncIterator[Client]:
    """A client that has read its first token and sent nothing yet."""
    store(token_file, await account.token("first"))
    path = str(token_file.with_name("kubeconfig"))
    client = await Client.connect(user_agent="engine/1", field_manager="engine", kubeconfig=path)
    yield client
    await client.close()


async def test_t5_a_token_that_was_rotated_is_read_again_when_the_old_one_is_refused(
    link: Proxy, pod: Client, account: Account, token_file: Path, maps: Maps
) -> None:
    store(token_file, await account.token("second"))
    await account.break_seal("first")

    await pod.create(CONFIG_MAPS, maps.wire("a", "1"))
    await pod.create(CONFIG_MAPS, maps.wire("b", "1"))

    assert len(await maps.state()) == 2
    assert [said.partition(" ")[0] for said in link.seen] == ["POST", "POST", "POST"]


async def test_t5_a_watch_goes_on_with_the_new_token(
    pod: Client, account: Account, token_file: Path, maps: Maps
) -> None:
    store(token_file, await account.token("second"))
    await account.break_seal("first")
    await maps.create("a")

    async with following(pod, maps) as seen:
        await maps.change("a", "2")
        await seen.until(await maps.state())

    assert seen.told == {"a": "2"}


async def test_t5_a_token_that_nobody_renews_is_asked_for_once_more_and_then_denied(
    link: Proxy, pod: Client, account: Account
) -> None:
    await account.break_seal("first")

    with pytest.raises(Denied):
        await pod.list(CONFIG_MAPS, namespace="default")

    assert len(link.seen) == 2


async def test_t4_every_request_says_who_asks(link: Proxy, pod: Client, maps: Maps) -> None:
    async with following(pod, maps):
        await pod.create(CONFIG_MAPS, maps.wire("a", "1"))

    assert set(link.agents) == {"engine/1"}


async def test_r19_rights_that_are_taken_away_and_given_back_lose_nothing(
    link: Proxy, pod: Client, account: Account, maps: Maps
) -> None:
    for name in ("kept", "gone"):
        await maps.create(name)

    async with following(pod, maps) as seen:
        await account.forbid()
        link.drop()
        await link.until(lambda: bool(seen.informer.trouble))
        trouble, held = seen.informer.trouble, dict(seen.told)
        await maps.delete("gone")
        await maps.change("kept", "2")
        await account.allow()
        await seen.until(await maps.state())
        healed = seen.informer.trouble

    assert "403 Forbidden" in trouble
    assert held == {"kept": "1", "gone": "1"}
    assert seen.told == {"kept": "2"}
    assert healed == ""


async def test_r19_an_account_that_gets_its_rights_late_gets_its_list_then(
    link: Proxy, pod: Client, account: Account, maps: Maps
) -> None:
    await account.forbid()
    await maps.create("a")

    gaining = asyncio.create_task(_allow_after(link, account))
    async with following(pod, maps) as seen:
        await gaining

    assert seen.told == {"a": "1"}


async def test_r19_a_refusal_is_never_taken_for_an_absent_kind(
    link: Proxy, pod: Client, account: Account
) -> None:
    await account.forbid()
    informer = Informer(pod, MACHINES, selection=Selection(optional=True))
    informer.patience = Patience(absent_seconds=0.01, backoff=Backoff(first_seconds=0.01))

    count = len(link.seen)
    task = asyncio.create_task(informer.run())
    await link.until(lambda: len(link.seen) > count + 6)
    refused = (informer.synced.is_set(), informer.trouble)
    await account.allow()
    async with asyncio.timeout(LIMIT_SECONDS):
        await informer.synced.wait()
    task.cancel()

    assert refused[0] is False
    assert "403 Forbidden" in refused[1]


async def _allow_after(link: Proxy, account: Account) -> None:
    """Give the rights back once the informer has been refused several times."""
    count = len(link.seen)
    await link.until(lambda: len(link.seen) > count + 4)
    await account.allow()
