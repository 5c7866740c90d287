"""What can keep an artifact from being carried: what happened, and what to do about it.

Refused
├── Denied         the registry wants another account
├── Missing        there is no such repository or tag
├── Untrusted      its certificate is of no authority that is trusted
├── Unreachable    it does not answer, or breaks off, again and again
├── Corrupt        what came is not what the digest says
└── NotAnAdapter   what came is whole, and no adapter that can be served
"""

from __future__ import annotations


class Refused(Exception):
    """Root.

    Attributes:
        said: what happened, in the registry's own words where it spoke.
        remedy: what a person does about it.
    """

    def __init__(self, said: str, remedy: str) -> None:
        super().__init__(f"{said}: {remedy}")
        self.said = said
        self.remedy = remedy


class Denied(Refused):
    """The registry wants another account."""


class Missing(Refused):
    """There is no such repository or tag."""


class Untrusted(Refused):
    """The registry's certificate is of no authority that is trusted here."""


class Unreachable(Refused):
    """The registry does not answer, or breaks off, again and again."""


class Corrupt(Refused):
    """What came is not what its digest says."""


class NotAnAdapter(Refused):
    """What came is whole, and no adapter that can be served."""
