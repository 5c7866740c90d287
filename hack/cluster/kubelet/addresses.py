"""Nominal addresses of pods, each given to one pod at a time."""

from __future__ import annotations

from hack.cluster.layout import LAST_NUMBER, Layout


class PodAddresses:
    """Gives and takes back addresses of a cluster's pods.

    A fresh pod gets a number after the last one given: an address that was just free may
    still stand in someone's EndpointSlice.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._owners: dict[str, str] = {}
        self._last = 0

    def take(self, uid: str, known: str) -> str:
        """An address for the pod of that uid: the one that it had, if it is known and free."""
        is_ours = known.startswith(self._layout.pod_prefix)
        if is_ours and self._owners.get(known, uid) == uid:
            self._owners[known] = uid
            return known
        for _ in range(LAST_NUMBER):
            self._last = self._last % LAST_NUMBER + 1
            address = self._layout.pod_address(self._last)
            if address not in self._owners:
                self._owners[address] = uid
                return address
        raise OverflowError("all pod addresses of this cluster are taken")

    def give_back(self, uid: str) -> None:
        """The pod of that uid is gone."""
        self._owners = {address: one for address, one in self._owners.items() if one != uid}
