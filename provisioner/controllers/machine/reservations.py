"""Instances that are being asked for, and that the newest list cannot have yet.

A hundred claims that are created together are all decided on by one list. Whoever begins a
launch takes a place in the cluster before anybody else decides, so that the last of them learns
that it is full without asking the cloud.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kaito.kube.clock import Clock
from provisioner.controllers.machine.ledger import SETTLE_SECONDS
from provisioner.failures import CloudUnavailable, InstanceExists
from provisioner.instances import Listing


@dataclass(slots=True)
class Reservations:
    """Names of instances, each with the monotonic time up to which a list says nothing of it."""

    _until: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def held(self, name: str, clock: Clock) -> Iterator[None]:
        """A place for this instance, from before it is asked for.

        It is kept, for a list that is new enough to tell, where there is or may be an instance
        of that name; a refusal gives it back at once.
        """
        self._until[name] = math.inf
        is_there = False
        try:
            yield
            is_there = True
        except (CloudUnavailable, InstanceExists):
            is_there = True
            raise
        finally:
            self._until[name] = clock.monotonic() + SETTLE_SECONDS
            if not is_there:
                del self._until[name]

    def beside(self, name: str, listing: Listing) -> int:
        """How many places are taken by others that the list does not have."""
        for other, until in list(self._until.items()):
            if until < listing.as_of:
                del self._until[other]
        return len(self._until.keys() - listing.instances.keys() - {name})
