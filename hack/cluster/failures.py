"""What can keep a local cluster from coming up, as classes.

ClusterFailed
├── Unobtainable     a program can be had in no way
├── PartFailed       a part ended, or was not ready in time
└── AlreadyUp        a cluster lives in that home
"""

from __future__ import annotations


class ClusterFailed(Exception):
    """Root: the message is for the person at the terminal and says what to do."""


class Unobtainable(ClusterFailed):
    """A program, or what it is built with, cannot be had here."""


class PartFailed(ClusterFailed):
    """One of the cluster's processes did not come up.

    Attributes:
        part: its name.
        log: where its output is.
    """

    def __init__(self, part: str, message: str, log: str) -> None:
        super().__init__(f"{part} {message}; its log: {log}")
        self.part = part
        self.log = log


class AlreadyUp(ClusterFailed):
    """A cluster lives in that home."""
