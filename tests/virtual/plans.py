"""Every single thing that can go wrong in a run, as a list of runs; by its name each is replayed.

- `killed/WORKLOAD/N`: the process that makes request N is killed as soon as it is carried out.
- `late/WORKLOAD/PROGRAM/V`: its caches stand still at version V while the world moves on.
- `unseen/WORKLOAD/PROGRAM/V`: the same, and what happened meanwhile is never seen.
- `dropped/WORKLOAD/PROGRAM/N`: the Nth line of its watches is never seen, and the object's next
  state is.
- `refused/WORKLOAD/REFUSAL/N`: the cloud refuses its first N requests in that way.
- `outage/WORKLOAD`: there is no API server for most of an hour; nobody asks it too often.
- `fair/WORKLOAD`, `turns/WORKLOAD`: nothing goes wrong; with one process of each program, or two.
- `WORKLOAD~` in any of these: the same, and nodes are asked for by NodeClaims.
- `seed/N`: a workload, and faults of all kinds by chance for its first 15 minutes; odd ones with
  two processes of each program, which take turns; the second ten of each twenty with NodeClaims.
- `struck/WORKLOAD/PROGRAM/HOW/N`: there are two of each program, and the leader is killed, paused
  or cut off while its write N is under way, which arrives when the other one leads.

Points that differ in nothing but the time count once: a process that is killed after it has read
what it read before is where it was, and so is a cache that nothing was sent to.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from functools import cache

from tests.virtual import process
from tests.virtual.cases import Case, named
from tests.virtual.door import Weather
from tests.virtual.process import Life, Manner
from tests.virtual.refusals import REFUSALS
from tests.virtual.story import Climate, Script, Stage, Verdict, fair, played
from tests.virtual.troubles import STRIKES, Strike, trouble
from tests.virtual.weather import Calls, Ear, Fog, Gap, Heard, Outage, Sniper, Storm
from tests.virtual.workloads import Workload

STALE_SECONDS = 300.0
STORM_SECONDS = 900.0
OUTAGE = (100.0, 3000.0)


def requests(case: Case) -> Calls:
    """All that processes ask for when nothing goes wrong."""
    calls = Calls()
    played(_script(case, _sniper(calls)))
    return calls


def kills(case: Case) -> list[str]:
    """Every point at which a process can be killed."""
    return [f"killed/{case.name}/{number}" for number in requests(case).points()]


def standstills(case: Case) -> list[str]:
    """Every version at which the caches of a process can stand still."""
    return [
        f"{way}/{case.name}/{name}/{version}"
        for way in ("late", "unseen")
        for name in process.NAMES
        for version in sorted({0, *(each.version for each in _heard(case, name))})
    ]


def gaps(case: Case) -> list[str]:
    """Every change that a process can fail to see."""
    return [
        f"dropped/{case.name}/{name}/{number}"
        for name in process.NAMES
        for number, each in enumerate(_heard(case, name))
        if each.uid
    ]


def refusals(case: Case) -> list[str]:
    """Every fault of the cloud that passes."""
    return [f"refused/{case.name}/{name}/{times}" for name in REFUSALS for times in (1, 3)]


def strikes(case: Case) -> list[str]:
    """Every write under way with which a leader can be lost."""
    found = []
    for name in process.NAMES:
        count = _writes(case, name)
        found += [
            f"struck/{case.name}/{name}/{how}/{number}"
            for how in STRIKES
            for number in range(count)
        ]
    return found


def _writes(case: Case, name: str) -> int:
    """How often a program writes when nothing goes wrong."""
    seen = Strike(lambda: None)
    played(_script(case, _only(name, lambda _stage, _life: seen)))
    return seen.count


def seeds(first: int, last: int) -> list[str]:
    """Runs by chance."""
    return [f"seed/{number}" for number in range(first, last)]


def verdict(plan: str) -> Verdict:
    """What comes of a plan.

    Raises:
        KeyError: there is no such plan.
    """
    kind, *rest = plan.split("/")
    if kind == "seed":
        return _seeded(int(rest[0]))
    case = named(rest[0])
    if kind == "outage":
        return _outage(case)
    climates: dict[str, Callable[..., Script]] = {
        "fair": _script,
        "turns": _taking_turns,
        "killed": _killed,
        "late": _stale,
        "unseen": _unseen,
        "dropped": _dropped,
        "refused": _refused,
        "struck": _struck,
    }
    return played(climates[kind](case, *rest[1:]))


FAMILIES: Mapping[str, Callable[[Case], list[str]]] = {
    "killed": kills,
    "late": standstills,
    "unseen": standstills,
    "dropped": gaps,
    "refused": refusals,
    "struck": strikes,
}


def expanded(asked: str) -> list[str]:
    """The plans of a name: `unseen/AGAIN/*`, `seed/0-40`, or just that plan; a number is a seed."""
    kind, _, rest = asked.partition("/")
    if not rest:
        return [f"seed/{asked}"]
    first, dash, last = rest.partition("-")
    if kind == "seed" and dash:
        return seeds(int(first), int(last))
    if "*" not in rest:
        return [asked]
    found = FAMILIES[kind](named(rest.partition("/")[0]))
    return [plan for plan in found if fnmatch(plan, asked)]


def failure(plan: str) -> str:
    """How to see a plan go wrong again, and what goes wrong; "" when nothing does."""
    violations = verdict(plan).violations
    return f"python -m tests.virtual.replay {plan}: {'; '.join(violations)}" if violations else ""


def failures(plans: Sequence[str]) -> Iterator[str]:
    """The failures of all of them, one after the other."""
    return (said for said in map(failure, plans) if said)


def _script(case: Case, climate: Climate = fair) -> Script:
    return Script(case.workload, climate, manner=case.manner)


def _taking_turns(case: Case) -> Script:
    return Script(case.workload, manner=replace(case.manner, elects=True))


def _killed(case: Case, number: str) -> Script:
    return _script(case, _sniper(Calls(int(number))))


def _stale(case: Case, name: str, version: str) -> Script:
    fog = Fog(int(version), STALE_SECONDS, None)
    return _script(case, _only(name, lambda _stage, _life: fog))


def _unseen(case: Case, name: str, version: str) -> Script:
    fog = Fog(int(version), STALE_SECONDS, None)

    def climate(stage: Stage, _life: Life) -> Weather:
        fog.expires = stage.api.compact
        return fog

    return _script(case, _only(name, climate))


def _dropped(case: Case, name: str, number: str) -> Script:
    line = _heard(case, name)[int(number)]

    def climate(stage: Stage, _life: Life) -> Weather:
        api = stage.api
        return Gap(line.path, line.version, STALE_SECONDS, api.newest, api.compact)

    return _script(case, _only(name, climate))


def _refused(case: Case, name: str, times: str) -> Script:
    rule = REFUSALS[name].model_copy(update={"times": int(times)})
    return Script(case.workload, trouble=lambda stage: stage.arm.fail(rule), manner=case.manner)


def _struck(case: Case, name: str, how: str, number: str) -> Script:
    strike = Strike(lambda: None, int(number))

    def climate(stage: Stage, life: Life) -> Weather:
        return strike.on(lambda: STRIKES[how](stage, life))

    manner = replace(case.manner, elects=True)
    return Script(case.workload, _only(name, climate), manner=manner)


def _seeded(seed: int) -> Verdict:
    workload = list(Workload)[seed // 2 % len(Workload)]
    chance = random.Random(seed)
    rate = chance.choice((0.02, 0.1, 0.3))

    def climate(stage: Stage, life: Life) -> Weather:
        return Storm(chance, lambda: stage.timeline.now, STORM_SECONDS, rate)

    return played(
        Script(
            workload,
            climate,
            lambda stage: trouble(stage, chance, until=STORM_SECONDS),
            Manner(seed, bool(seed % 2), "NodeClaim" if seed // 10 % 2 else "Machine"),
        )
    )


def _outage(case: Case) -> Verdict:
    weathers: dict[str, Outage] = {}

    def climate(stage: Stage, life: Life) -> Weather:
        weather = Outage(lambda: stage.timeline.now, *OUTAGE)
        return weathers.setdefault(life.name, weather)

    found = played(_script(case, climate))
    eager = {name: weather.eager() for name, weather in weathers.items()}
    said = [f"{name} asks too often: {rates}" for name, rates in eager.items() if rates]
    if not all(weather.counts for weather in weathers.values()):
        said.append("nobody asks any more")
    return replace(found, violations=(*found.violations, *said))


def _sniper(calls: Calls) -> Climate:
    def climate(stage: Stage, life: Life) -> Weather:
        calls.moment = lambda: (stage.api.version, stage.arm.revision())
        return Sniper(life.name, calls)

    return climate


def _only(name: str, climate: Climate) -> Climate:
    """The weather of one program; the other's is fair."""
    return lambda stage, life: climate(stage, life) if life.name == name else Ear()


@cache
def _heard(case: Case, name: str) -> tuple[Heard, ...]:
    """All lines that a program hears when nothing goes wrong."""
    ear = Ear()
    played(_script(case, _only(name, lambda _stage, _life: ear)))
    return tuple(ear.heard)
