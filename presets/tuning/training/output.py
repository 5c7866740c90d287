"""Where the adapter goes: an image in a registry, a volume, or both; checkpoints go there too."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from oci.desk import Desk
from oci.item import FieldRefused, Item
from oci.pull import pull_data
from oci.push import push
from oci.reference import Reference
from oci.refusals import Missing, Refused, Unreachable
from oci.registry import Patience

from training import checkpoints, log
from training.failure import Failure, Kind
from training.note import Result
from training.result import Trained
from training.settings import Settings

IMAGE_FIELD = "tuning.output.image"
CHECKPOINT_SUFFIX = "-checkpoint"


class Output:
    """What takes the adapter and its checkpoints."""

    def __init__(self, settings: Settings, trust: str | None) -> None:
        """Take a file of all authorities that registries may have, beside the settings."""
        self._settings = settings
        self._trust = trust
        self._work = settings.work_folder

    def restore(self) -> None:
        """Fetch the checkpoint of this run from the registry, where the disk has none.

        It also tells, before anything is computed, whether the registry can be reached.

        Raises:
            Failure: it cannot, or the account may not.
        """
        if not self._settings.output_image or checkpoints.last(self._work, self._settings.run_id):
            return
        with tempfile.TemporaryDirectory(dir=self._work) as scratch:
            found = Path(scratch) / "found"
            found.mkdir()
            try:
                pull_data(self._desk(Path(scratch)), self._item(CHECKPOINT_SUFFIX), found)
            except FieldRefused as refused:
                if isinstance(refused.refused, Missing):
                    return
                raise _failure(refused, "nothing is lost: it is tried again") from refused
            self._take(found)

    def keep(self, checkpoint: Path) -> None:
        """Push a checkpoint beside the image that is to come.

        Raises:
            OSError: it could not be pushed; the training goes on without.
        """
        with tempfile.TemporaryDirectory(dir=self._work) as scratch:
            try:
                push(self._desk(Path(scratch)), self._item(CHECKPOINT_SUFFIX), checkpoint)
            except FieldRefused as refused:
                raise OSError(str(refused)) from refused

    @property
    def keeps_elsewhere(self) -> bool:
        """Whether checkpoints have to leave this disk to outlive the pod."""
        return bool(self._settings.output_image) and self._settings.output_folder is None

    def hand_on(self, trained: Trained) -> Result:
        """Copy and push the adapter.

        Raises:
            Failure: it is not where it belongs; the files are kept, and the message says where.
        """
        digest = ""
        if self._settings.output_folder:
            self._copy(trained, self._settings.output_folder)
        if self._settings.output_image:
            digest = self._push(trained)
        self._clean()
        return Result(
            steps=trained.steps,
            loss=trained.loss,
            image=self._settings.output_image,
            digest=digest,
        )

    def _copy(self, trained: Trained, volume: Path) -> None:
        """Put the files into the volume, each whole or not at all."""
        try:
            for file in sorted(trained.folder.iterdir()):
                made = volume / f".{file.name}"
                shutil.copyfile(file, made)
                made.replace(volume / file.name)
        except OSError as error:
            raise Failure(
                Kind.PUSH,
                f"tuning.output.volumeSource does not take the adapter: {error}: make room, or"
                f" make it writable for the group {Path(volume).stat().st_gid}; {self._kept}",
                lasting=False,
            ) from error
        log.info("adapter.written", folder=str(volume))

    def _push(self, trained: Trained) -> str:
        """Push the image; its digest."""
        with tempfile.TemporaryDirectory(dir=self._work) as scratch:
            try:
                pushed = push(self._desk(Path(scratch)), self._item(""), trained.folder)
            except FieldRefused as refused:
                raise _failure(refused, self._kept) from refused
        log.info("adapter.pushed", image=pushed.image, digest=pushed.digest)
        return pushed.digest

    @property
    def _kept(self) -> str:
        """Where the adapter is while nobody takes it."""
        return f"the adapter is kept in {self._work} of the pod, and is handed on once that works"

    def _desk(self, scratch: Path) -> Desk:
        return Desk(
            secrets=self._settings.secrets_folder,
            trust=self._trust,
            patience=Patience(self._settings.push_seconds),
            scratch=scratch,
        )

    def _item(self, suffix: str) -> Item:
        """The image, or the artifact of the checkpoint beside it."""
        image = self._settings.output_image
        if suffix:
            try:
                one = Reference.parse(image)
            except Refused as refused:
                raise FieldRefused(Item(IMAGE_FIELD, "push", image), refused) from refused
            image = f"{one.host}/{one.repository}:{one.tag}{suffix}"
        kind = "artifact" if suffix else "push"
        return Item(IMAGE_FIELD, kind, image, secrets=self._settings.secrets)

    def _take(self, found: Path) -> None:
        """Use a checkpoint that was fetched, if it is one of this run."""
        state = found / "trainer_state.json"
        if not state.is_file() or not checkpoints.is_whole(found, self._settings.run_id):
            log.info("checkpoint.foreign", image=self._item(CHECKPOINT_SUFFIX).image)
            return
        step = json.loads(state.read_text(encoding="utf-8"))["global_step"]
        found.rename(self._work / f"{checkpoints.PREFIX}{step}")
        log.info("checkpoint.restored", step=step)

    def _clean(self) -> None:
        """Remove what only an interrupted run needs."""
        for path in self._work.glob(f"{checkpoints.PREFIX}*"):
            shutil.rmtree(path, ignore_errors=True)


def _failure(refused: FieldRefused, kept: str) -> Failure:
    """A registry that does not take, or give, what it should."""
    is_away = isinstance(refused.refused, Unreachable)
    return Failure(Kind.PUSH, f"{refused}; {kept}", lasting=not is_away)
