"""The front door: who may come in, whether the address exists, and what goes into the journal.

Everything here is synchronous and has its time from a clock that it is given, so that the whole
of ARM can be asked without a socket. The state is on disk before an answer leaves.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import parse_qsl

from pydantic import JsonValue

from hack.cluster import layout
from hack.cluster.arm import addresses, pools, refusals, state, tokens, wire
from hack.cluster.arm.addresses import Address, Kind
from hack.cluster.arm.calls import Attempt, Call
from hack.cluster.arm.exchange import DROPPED, Answer, Request
from hack.cluster.arm.faults import EARLY_FAULTS, Fault, Progress, Rule, Scenario, Script
from hack.cluster.arm.journal import Entry, Journal, timestamp
from hack.cluster.arm.pools import Fleet
from hack.cluster.arm.provider import Provider, new_fleet
from hack.cluster.arm.rate import Rate
from hack.cluster.arm.refusals import Refusal
from hack.cluster.arm.settings import Settings
from hack.cluster.arm.sizes import sizes
from hack.cluster.arm.tokens import TokenRefused, Tokens

API_VERSION = re.compile(r"\d{4}-\d\d-\d\d(-preview)?")
TOKEN_PATH = re.compile(r"/(?P<tenant>[^/]+)/oauth2/v2\.0/token")

CALLS = {
    (Kind.POOL, "PUT"): Call.PUT,
    (Kind.POOL, "GET"): Call.GET,
    (Kind.POOL, "DELETE"): Call.DELETE,
    (Kind.POOLS, "GET"): Call.LIST,
    (Kind.ABORT, "POST"): Call.ABORT,
    (Kind.OPERATION, "GET"): Call.POLL,
    (Kind.RESULT, "GET"): Call.POLL,
    (Kind.SKUS, "GET"): Call.SKUS,
    (Kind.USAGES, "GET"): Call.USAGES,
}
"""What is asked, by the kind of address and the method."""

AGENT_POOLS = "Microsoft.ContainerService/managedClusters/agentPools"
OPERATIONS = "Microsoft.ContainerService/locations/operations"
ACTIONS = {
    Call.PUT: f"{AGENT_POOLS}/write",
    Call.GET: f"{AGENT_POOLS}/read",
    Call.LIST: f"{AGENT_POOLS}/read",
    Call.DELETE: f"{AGENT_POOLS}/delete",
    Call.ABORT: f"{AGENT_POOLS}/abort/action",
    Call.POLL: f"{OPERATIONS}/read",
    Call.SKUS: "Microsoft.Compute/skus/read",
    Call.USAGES: "Microsoft.Compute/locations/usages/read",
    Call.SIGN_IN: "sign-in",
}
"""What a role must allow."""

Clock = Callable[[], float]
"""Seconds since 1970."""


class FrontDoor:
    """ARM as a whole: a request in, an answer out."""

    def __init__(self, settings: Settings, *, clock: Clock = time.time) -> None:
        folder = settings.folder
        folder.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._state_path = folder / "state.json"
        self._saved: tuple[Fleet, Progress] | None = None
        saved = state.load(self._state_path)
        remembered = saved or state.State(fleet=new_fleet(now=clock()))
        self._sizes = sizes()
        self._journal = Journal(folder / "journal.jsonl")
        self._script = Script(folder / "scenario.json", remembered.progress)
        self._rate = Rate()
        self._tokens = Tokens(
            issuer_key=settings.issuer_key.read_text(),
            secret=tokens.secret(folder / "token.key"),
            lifetime_seconds=settings.token_seconds,
        )
        self._provider = Provider(
            settings, fleet=remembered.fleet, script=self._script, sizes=self._sizes
        )
        self._save()

    def opened(self, root: str) -> None:
        """Take note of this server's own https://host:port."""
        self._provider.root = root

    def answer(self, request: Request) -> Answer:
        """The answer to one request of a client of Azure, which is in the journal by then."""
        now = self._advance()
        entry = _entry(request, now)
        try:
            answer = self._answer(request, entry, now)
        except Refusal as refusal:
            entry.error_code = refusal.code
            answer = Answer(refusal.status, refusal.body, refusal.headers)
        except TokenRefused as refused:
            entry.error_code = f"AADSTS{refused.number}"
            answer = Answer(refused.status, refused.body)
        entry.status = answer.status
        self._save()
        self._journal.write(entry)
        return answer

    # The local door

    def instances(self) -> dict[str, JsonValue]:
        """The VMs that exist now, with the revision of the fleet."""
        self._advance()
        self._save()
        return wire.instances_body(self._provider.fleet, self._sizes)

    def revision(self) -> int:
        """Grows whenever a pool changes."""
        self._advance()
        return self._provider.fleet.revision

    def seconds_to_change(self) -> float | None:
        """How long until a pool changes by itself; None while none is going to."""
        end = self._provider.fleet.next_end()
        return None if end is None else max(0.0, end - self._clock())

    def scenario(self) -> tuple[Scenario, dict[int, int]]:
        """What is to go wrong, and how often each rule has fired, by its place."""
        scenario = self._script.scenario()
        return scenario, self._script.progress.fired

    def play(self, scenario: Scenario) -> None:
        """Put another scenario in place of this one."""
        self._script.replace(scenario)

    def journal(self, *, since: int) -> list[JsonValue]:
        """The journal from its line `since` on, counted from 0."""
        return self._journal.entries(since=since)

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    # Inside

    def _advance(self) -> float:
        now = self._clock()
        self._provider.fleet = pools.advanced(self._provider.fleet, now=now)
        return now

    def _save(self) -> None:
        fleet, progress = self._provider.fleet, self._script.progress
        if self._saved != (fleet, progress):
            self._saved = (fleet, progress.model_copy(deep=True))
            state.save(self._state_path, state.State(fleet=fleet, progress=progress))

    def _answer(self, request: Request, entry: Entry, now: float) -> Answer:
        sign_in = TOKEN_PATH.fullmatch(request.path)
        if sign_in is not None and request.method == "POST":
            return self._sign_in(sign_in["tenant"], request, entry, now)
        address = addresses.parsed(request.path)
        if address is None:
            raise refusals.route_not_found(request.path)
        entry.pool = address.pool
        call = CALLS.get((address.kind, request.method))
        if call is None:
            raise refusals.method_not_allowed(request.method)
        entry.operation = call
        self._check_caller(request, now)
        self._check_rate(call, address, now)
        _check_place(address, call)
        rule = self._early_fault(call, address, request, entry)
        if rule is None:
            return self._provided(call, address, request, entry, now)
        if rule.takes_effect:
            with suppress(Refusal):
                self._provided(call, address, request, entry, now)
        return DROPPED

    def _provided(
        self, call: Call, address: Address, request: Request, entry: Entry, now: float
    ) -> Answer:
        provider = self._provider
        handlers = {
            Call.PUT: provider.put,
            Call.GET: provider.get,
            Call.LIST: provider.list,
            Call.DELETE: provider.delete,
            Call.ABORT: provider.abort,
            Call.SKUS: provider.skus,
            Call.USAGES: provider.usages,
            Call.POLL: provider.result if address.kind is Kind.RESULT else provider.status,
        }
        return handlers[call](address, request, entry, now)

    def _sign_in(self, tenant: str, request: Request, entry: Entry, now: float) -> Answer:
        entry.operation = Call.SIGN_IN
        rule = self._script.fires(Attempt(Call.SIGN_IN), EARLY_FAULTS)
        if rule is not None:
            entry.fault = rule.fault
            _raise(rule, Call.SIGN_IN, Address(Kind.POOLS, ""))
            return DROPPED
        form = dict(parse_qsl(request.body.decode(errors="replace")))
        return Answer(HTTPStatus.OK, self._tokens.grant(tenant, form, now=now))

    def _check_caller(self, request: Request, now: float) -> None:
        authority = f"{self._provider.root}/{layout.TENANT_ID}"
        self._tokens.check(request.header("authorization"), authority=authority, now=now)
        if not API_VERSION.fullmatch(request.api_version):
            raise refusals.bad_api_version(request.api_version)

    def _check_rate(self, call: Call, address: Address, now: float) -> None:
        limits = self._script.scenario().limits
        seconds = self._rate.take(limits, Attempt(call, address.pool), now=now)
        if seconds is not None:
            raise refusals.throttled(seconds)

    def _early_fault(
        self, call: Call, address: Address, request: Request, entry: Entry
    ) -> Rule | None:
        """None, or the rule that drops the connection; raises every other fault."""
        vm_size = self._provider.vm_size(address, request)
        rule = self._script.fires(Attempt(call, address.pool, vm_size), EARLY_FAULTS)
        if rule is not None:
            entry.fault = rule.fault
            _raise(rule, call, address)
        return rule


def _raise(rule: Rule, call: Call, address: Address) -> None:
    """Raise the refusal that an early fault is; nothing for drop, which is none."""
    if rule.fault is Fault.REFUSE:
        raise _worded(rule)
    if rule.fault in {Fault.THROTTLE, Fault.UNAVAILABLE}:
        raise _postponed(rule)
    if rule.fault is Fault.CONFLICT:
        raise refusals.another_operation(f"{layout.CLUSTER_NAME} - Updating")
    if rule.fault is Fault.DENIED:
        scope = addresses.pool_id(address.pool) if address.pool else addresses.pools_path()
        raise refusals.denied(ACTIONS[call], client_id=layout.CLIENT_ID, scope=scope)
    if rule.fault is Fault.CLUSTER_MISSING:
        raise refusals.cluster_not_found(
            layout.CLUSTER_NAME, group=layout.RESOURCE_GROUP, as_parent=call is Call.PUT
        )


def _worded(rule: Rule) -> Refusal:
    """The refusal that a rule spells out."""
    after = rule.retry_after_seconds
    return Refusal(
        rule.status,
        rule.code,
        rule.message,
        details=tuple((each.code, each.message) for each in rule.causes),
        from_provider=not rule.at_front_door,
        headers={} if after is None else {"Retry-After": str(after)},
    )


def _postponed(rule: Rule) -> Refusal:
    """The refusal that asks to come back."""
    after = rule.retry_after_seconds
    if rule.fault is Fault.UNAVAILABLE:
        return refusals.unavailable(after)
    return refusals.throttled(1 if after is None else after)


def _check_place(address: Address, call: Call) -> None:
    """The subscription, group and cluster exist: there is one of each."""
    if address.subscription.lower() != layout.SUBSCRIPTION_ID:
        raise refusals.subscription_not_found(address.subscription)
    if call in {Call.POLL, Call.SKUS, Call.USAGES}:
        return
    if address.group.lower() != layout.RESOURCE_GROUP:
        raise refusals.group_not_found(address.group)
    if address.cluster.lower() != layout.CLUSTER_NAME:
        raise refusals.cluster_not_found(
            address.cluster, group=address.group, as_parent=call is Call.PUT
        )


def _entry(request: Request, now: float) -> Entry:
    return Entry(
        time=timestamp(now),
        method=request.method,
        path=request.path,
        api_version=request.api_version,
        if_match=request.header("if-match"),
        if_none_match=request.header("if-none-match"),
        client_request_id=request.header("x-ms-client-request-id"),
        user_agent=request.header("user-agent"),
        body=_body(request.body) if request.method == "PUT" else None,
    )


def _body(body: bytes) -> JsonValue:
    try:
        return wire.requested(body)
    except Refusal:
        return body.decode(errors="replace")
