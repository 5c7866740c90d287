"""The verb pull: adapters, or a data set, out of registries and volumes into a folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lora.adapter import CONFIG, FILES, Adapter
from lora.strength import even, merge, weigh
from oci import report
from oci.dataset import FOLDER, below_data
from oci.desk import Desk
from oci.item import Item, naming
from oci.layers import budget, members
from oci.manifests import contents
from oci.refusals import NotAnAdapter, Refused

ADAPTER_BYTES = 4 << 30
"""Most that the files of one adapter may take, unpacked."""
DATA_BYTES = 64 << 30
"""The same of one data set."""
MERGED = ".merged"


def pull_adapters(
    desk: Desk, items: Sequence[Item], target: Path, *, weighed: bool, max_rank: int = 0
) -> None:
    """Put each adapter into a folder of its name, and their sum into `.merged`.

    A container that is started again begins anew: what an earlier run left is removed.

    Args:
        desk: how registries are asked.
        items: of kind adapter.
        target: existing folder.
        weighed: whether strengths are applied and the sum is made; else the files stay as they
            came, for a server that applies strengths itself.
        max_rank: the highest rank that the server makes room for; 0 for any.

    Raises:
        FieldRefused: one cannot be had, or is none.
    """
    _clear(target)
    adapters = []
    for item in items:
        with naming(item):
            folder = target / item.name
            fetch_adapter(desk, item, folder)
            adapter = Adapter.load(folder)
            _check_rank(adapter.rank, max_rank, "its rank is", "train it with a lower rank")
            if weighed:
                weigh(folder, adapter, item.strength)
                even(folder, Adapter.load(folder))
                adapter = Adapter.load(folder)
            adapters.append(adapter)
            report.info("adapter.pulled", adapter=item.name, source=item.source)
    if weighed and adapters:
        with naming(items[-1]):
            total = sum(adapter.rank for adapter in adapters)
            remedy = "take fewer adapters, or some of lower ranks"
            _check_rank(total, max_rank, "with it the ranks add up to", remedy)
            merge(adapters, target / MERGED)
        report.info("adapters.merged", adapters=[item.name for item in items])


def _check_rank(rank: int, max_rank: int, what: str, remedy: str) -> None:
    """Refuse what the server would end over, once it has loaded the model."""
    if max_rank and rank > max_rank:
        raise Refused(f"{what} {rank}, and this server has room for {max_rank} at most", remedy)


def fetch_adapter(desk: Desk, item: Item, folder: Path) -> None:
    """Put the two files of an adapter into a new folder, unread."""
    folder.mkdir(parents=True)
    if item.folder:
        _copy(Path(item.folder), folder)
        return
    registry = desk.registry(item.image, item.secrets)
    with (
        tempfile.TemporaryDirectory(dir=desk.scratch) as scratch,
        budget(ADAPTER_BYTES) as keep,
    ):
        found = Path(scratch) / "found"
        for member in members(registry, contents(registry), Path(scratch)):
            if member.path.name in FILES:
                keep(member, found / member.path)
        _copy(_home(found), folder)


def pull_data(desk: Desk, item: Item, target: Path) -> None:
    """Put all files of an image's /data, or of an artifact, into a folder.

    Raises:
        FieldRefused: it cannot be had, or holds nothing.
    """
    with naming(item), tempfile.TemporaryDirectory(dir=desk.scratch) as scratch:
        registry = desk.registry(item.image, item.secrets)
        count = 0
        with budget(DATA_BYTES) as keep:
            for member in members(registry, contents(registry), Path(scratch)):
                if (path := below_data(member.path)) is not None:
                    keep(member, target / path)
                    count += 1
        if not count:
            raise Refused("it holds no file under /data", "copy the data set to /data of the image")
        report.info("data.pulled", source=item.source, files=count)


def _home(found: Path) -> Path:
    """The folder that holds an adapter: /data where there is one, else the only one."""
    homes = sorted(path.parent for path in found.rglob(CONFIG)) if found.exists() else []
    if found / FOLDER in homes:
        return found / FOLDER
    if not homes:
        raise NotAnAdapter(
            f"it holds no {CONFIG}", "push the files that PEFT's save_pretrained writes, in /data"
        )
    if len(homes) > 1:
        names = ", ".join(f"/{home.relative_to(found)}" for home in homes)
        raise NotAnAdapter(f"it holds several adapters ({names})", "put the one to serve in /data")
    return homes[0]


def _copy(source: Path, folder: Path) -> None:
    for name in FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)


def _clear(target: Path) -> None:
    for path in target.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
