"""Both programs at once, in one cluster, with trouble for whoever leads."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from tests.takeover import verdict
from tests.takeover.audit import Write
from tests.takeover.campaign import Campaign, Takeover
from tests.takeover.faults import Trouble
from tests.takeover.ground import Ground, standing
from tests.takeover.life import Life
from tests.takeover.replica import Program

Troubles = Mapping[Program, Sequence[Trouble]]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it; everything but `done` is what others have written down.

    Attributes:
        done: take-overs that were brought about, in order.
        writes: the audit log.
        bought: how often the cloud accepted to create a machine, by the uid of its claim.
        lives: Workspaces that came and went.
    """

    done: tuple[Takeover, ...]
    writes: tuple[Write, ...]
    bought: Mapping[str, int]
    lives: int

    @property
    def violations(self) -> list[str]:
        """What an old process changed after its successor."""
        return [each for lease in Program for each in verdict.violations(self.writes, lease)]

    @property
    def doubles(self) -> list[str]:
        """What existed twice, in the API server or in the cloud."""
        twice = [f"claim {uid}: {count} pools" for uid, count in self.bought.items() if count > 1]
        return verdict.doubles(self.writes) + twice

    @property
    def late(self) -> dict[str, list[Write]]:
        """Writes of old processes that came too late, by process."""
        found: dict[str, list[Write]] = {}
        for lease in Program:
            found |= verdict.late(self.writes, lease)
        return found

    def table(self) -> str:
        """All take-overs, for people."""
        rows = [f"{'old':15}{'new':15}{'trouble':32}{'under way':26}came late, and was answered"]
        for each in self.done:
            codes = [str(one.code) for one in self.late.get(each.old, [])]
            told = f"{each.old:15}{each.new:15}{each.trouble:32}{each.write:26}"
            rows.append(told + (" ".join(codes) or "-"))
        counts = f"{len(self.done)} take-overs, {len(self.late)} with a write under way"
        return "\n".join([*rows, f"{counts}, {self.lives} Workspaces came and went", ""])


async def fought(troubles: Troubles, seed: int) -> Report:
    """Let all of it happen, and wait until everything that was begun has ended well."""
    async with standing() as ground:
        life = Life(ground, Random(f"{seed}-life"))
        campaigns = [Campaign(each, ground, Random(f"{seed}-{each}")) for each in troubles]
        try:
            life.begin()
            async with asyncio.TaskGroup() as tasks:
                for each in campaigns:
                    tasks.create_task(each.run(troubles[each.program]))
            await life.end()
        except BaseException:
            for each in campaigns:
                sys.stdout.write(each.said())
            raise
        finally:
            await life.stop()
            for each in campaigns:
                await each.end()
        done = tuple(one for each in campaigns for one in each.done)
        return Report(done, tuple(ground.log.read()), await _bought(ground), life.lives)


async def _bought(ground: Ground) -> Mapping[str, int]:
    """Creations that the cloud has accepted, by the claim that it was for."""
    counts: dict[str, int] = {}
    for each in await ground.bystander.journal():
        if each["operation"] == "PUT" and each["status"] == 201:
            uid = each["body"]["tags"]["kaito.sh_claim-uid"]
            counts[uid] = counts.get(uid, 0) + 1
    return counts
