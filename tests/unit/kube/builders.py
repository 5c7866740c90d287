"""Values that the engine's tests are made of."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from kaito.kube.backoff import Backoff
from kaito.kube.client import Client
from kaito.kube.informer import Informer
from kaito.kube.objects import KubeModel, KubeObject, ObjectMeta, Ref
from kaito.kube.reflector import Patience
from kaito.kube.resource import Resource

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Spec(KubeModel):
    """What a Thing is like."""

    size: int = 0


class Thing(KubeObject):
    """The Kind that these tests use."""

    spec: Spec = Spec()


THINGS = Resource("test.io", "v1", "things", "Thing", Thing)
COLLECTION = "/apis/test.io/v1/namespaces/default/things"


def path(name: str) -> str:
    """Where a Thing is served."""
    return f"{COLLECTION}/{name}"


def ref(name: str) -> Ref:
    """A Ref in the namespace of these tests."""
    return Ref("default", name)


def thing(name: str, *, uid: str = "u", version: int = 1, size: int = 0) -> Thing:
    """A Thing as a store holds it."""
    metadata = ObjectMeta(name=name, namespace="default", uid=uid, resource_version=str(version))
    return Thing(metadata=metadata, spec=Spec(size=size))


@dataclass(slots=True)
class Anonymous:
    """Credentials of nobody."""

    async def header(self, *, refused: str | None = None) -> str:
        """No header."""
        return ""


@dataclass(slots=True)
class FakeClock:
    """Time that moves when it is told to."""

    seconds: float = 1000.0
    dice: Dice = field(default_factory=lambda: Dice(0))

    def now(self) -> datetime:
        """Wall clock."""
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Monotonic time."""
        return self.seconds

    def between(self, low_seconds: float, high_seconds: float) -> float:
        """A delay that only looks random."""
        return self.dice.between(low_seconds, high_seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


@dataclass(slots=True)
class Dice:
    """Numbers that look random and are the same for the same seed."""

    seed: int
    rolls: int = 0

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        self.rolls += 1
        digest = hashlib.sha256(f"{self.seed}/{self.rolls}".encode()).digest()
        return low + (high - low) * int.from_bytes(digest[:6]) / 2**48


Change = tuple[str, int | None, int | None]
"""Name, size before, size after."""


@dataclass(slots=True)
class Follower:
    """An informer that runs, and what it told."""

    informer: Informer[Thing]
    changes: asyncio.Queue[Change] = field(default_factory=asyncio.Queue)

    def hear(self, old: Thing | None, new: Thing | None) -> None:
        """Take note of a change."""
        named = new or old
        assert named is not None
        sizes = [each.spec.size if each else None for each in (old, new)]
        self.changes.put_nowait((named.metadata.name, sizes[0], sizes[1]))

    async def change(self) -> Change:
        """The next change."""
        async with asyncio.timeout(30):
            return await self.changes.get()


def follower(client: Client, *, idle_seconds: float = 5.0) -> Follower:
    """An informer of Things whose back-off is over in no time."""
    informer = Informer(client, THINGS, indexes={"size": lambda each: [str(each.spec.size)]})
    informer.patience = Patience(
        idle_seconds=idle_seconds, backoff=Backoff(first_seconds=0.001, cap_seconds=0.002)
    )
    follower = Follower(informer)
    informer.on_change(follower.hear)
    return follower
