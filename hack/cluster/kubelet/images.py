"""Images of the local cluster: folders of this machine plus defaults, from one small table.

Nothing is pulled. The container's own command runs unchanged in those folders; a name that
the table does not have cannot be "pulled", as with a wrong name anywhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

TABLE = Path(__file__).resolve().parent.parent / "images.yaml"


class Image(BaseModel):
    """What an image's name stands for; texts may hold {repo}, {cache}, {home}, {pod_address}."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    binds: dict[str, str] = {}
    """Path in the container to path on this machine; read-only."""
    pythons: tuple[str, ...] = ()
    """Virtual environments, seen at their own paths, with the interpreters they were made of."""
    env: dict[str, str] = {}
    workdir: str = "/"
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    user: int = 0
    """uid that the image's program runs as, unless the pod says otherwise."""

    def placed(self, places: Mapping[str, str]) -> Image:
        """The same image with its placeholders filled in."""

        def filled(text: str) -> str:
            for name, value in places.items():
                text = text.replace("{" + name + "}", value)
            return text

        return self.model_copy(
            update={
                "binds": {filled(inside): filled(here) for inside, here in self.binds.items()},
                "pythons": tuple(filled(one) for one in self.pythons),
                "env": {name: filled(value) for name, value in self.env.items()},
            }
        )


@dataclass(frozen=True, slots=True)
class Pulled:
    """An image that is there.

    Attributes:
        image: what its name stands for.
        id: changes when that does.
    """

    image: Image
    id: str


class Images:
    """The table, read again for each look-up, so that an entry may be added while pods wait."""

    def __init__(self, table: Path = TABLE) -> None:
        self._table = table

    def pull(self, reference: str) -> Pulled | None:
        """The image of that name, None when the table has none.

        A pattern of the table is compared with the full reference, with the repository, and
        with its last word; the first pattern that matches one of them wins.

        Args:
            reference: as a pod names it, e.g. "ghcr.io/kaito-project/kaito:1.0".
        """
        entries: dict[str, object] = yaml.safe_load(self._table.read_text()) or {}
        candidates = names(reference)
        for pattern, entry in entries.items():
            if any(fnmatchcase(name, pattern) for name in candidates):
                image = Image.model_validate(entry)
                content = f"{pattern}\n{image.model_dump_json()}".encode()
                return Pulled(
                    image, f"{candidates[1]}@sha256:{hashlib.sha256(content).hexdigest()}"
                )
        return None


def names(reference: str) -> tuple[str, ...]:
    """A reference in full, then without tag, then without registry, then its last word."""
    without_digest = reference.partition("@")[0]
    head, slash, last = without_digest.rpartition("/")
    repository = f"{head}{slash}{last.partition(':')[0]}"
    registry, _, rest = repository.partition("/")
    is_registry = bool(rest) and ("." in registry or ":" in registry or registry == "localhost")
    return reference, repository, rest if is_registry else repository, repository.rpartition("/")[2]


def python_folders(environment: Path) -> tuple[Path, ...]:
    """The virtual environment and the folder of the interpreter that it was made from.

    A virtual environment is links and packages only: the interpreter that its links end at
    must be seen too. /usr, which every container sees, is left out.
    """
    interpreter = (environment / "bin" / "python").resolve()
    origins = {interpreter.parent.parent}
    settings = environment / "pyvenv.cfg"
    if settings.exists():
        for line in settings.read_text().splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "home":
                origins.add(Path(value.strip()).parent)
    outside = sorted(one for one in origins if not one.is_relative_to("/usr") and one != Path("/"))
    return (environment, *outside)
