"""The image of the operator, built once for this ring, and its file system."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import pytest_asyncio

from hack.cluster.cache import cache_folder
from hack.images.__main__ import emulator
from hack.images.architectures import ARCHITECTURES, own_architecture
from hack.images.build import ARTIFACTS, BESIDE_VLLM, KAITO, UNFURNISHED, Workshop
from hack.images.sandbox import Sandbox
from tests.ociregistry import OciRegistry, oci_registry

BUILDING_SECONDS = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test here may wait for a build."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.timeout(BUILDING_SECONDS))


@pytest.fixture(scope="session")
def workshop() -> Workshop:
    """Where images are made: what is there already is used."""
    return Workshop(cache_folder() / "images", report=print)


@pytest.fixture(scope="session")
def built(workshop: Workshop) -> Callable[[str], str]:
    """Builds the image for an architecture at the first call; returns its name."""
    return cache(lambda architecture: workshop.build(KAITO, ARCHITECTURES[architecture]))


@pytest.fixture(scope="session", params=ARCHITECTURES)
def image(
    request: pytest.FixtureRequest, workshop: Workshop, built: Callable[[str], str]
) -> Iterator[Sandbox]:
    """An image's file system, ready to run programs."""
    storage, name = workshop.storage, built(request.param)
    with storage.mounted(name) as root:
        program = emulator(ARCHITECTURES[request.param])
        yield Sandbox(root, storage.config(name)["config"], program)


@pytest.fixture(scope="session")
def carrying(workshop: Workshop) -> str:
    """Name of the artifacts image, built for this machine."""
    return workshop.build(ARTIFACTS, own_architecture())


@pytest.fixture(scope="session")
def carrier_image(workshop: Workshop, carrying: str) -> Iterator[Sandbox]:
    """The file system of the artifacts image, with a volume at /tmp as its pods have one."""
    with workshop.storage.mounted(carrying) as root:
        yield Sandbox(root, workshop.storage.config(carrying)["config"], scratch=True)


@pytest.fixture(scope="session")
def serving_image(workshop: Workshop) -> Iterator[Sandbox]:
    """The file system of the inference image, without its packages."""
    name = workshop.build(UNFURNISHED, own_architecture())
    with workshop.storage.mounted(name) as root:
        yield Sandbox(root, workshop.storage.config(name)["config"], scratch=True)


@pytest.fixture(scope="session")
def beside_vllm(workshop: Workshop) -> Iterator[Sandbox]:
    """The file system of the image with vLLM, without vLLM."""
    name = workshop.build(BESIDE_VLLM, own_architecture())
    with workshop.storage.mounted(name) as root:
        yield Sandbox(root, workshop.storage.config(name)["config"], scratch=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def registry(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OciRegistry]:
    """A real one, empty at first, over TLS, with one account."""
    async with oci_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running
