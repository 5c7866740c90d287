"""The page of fields: what it says is what the API server does."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import yaml

from hack import fields
from tests.bystander import Bystander, Json, until
from tests.delivery.overlays import MANIFESTS
from tests.delivery.pages import sample

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(400)]

ROOT = MANIFESTS.parent
PAGE = (ROOT / "docs/reference/workspace.md").read_text()
EXAMPLES = {file.stem: file.read_text() for file in (ROOT / fields.EXAMPLES).glob("*.yaml")}
CRDS = ("-k", str(MANIFESTS / "crds"))
REFUSED = {
    "inference.adapters[].source.urls",
    "tuning.preset.presetOptions.modelAccessSecret",
}
"""In the schema as it came from upstream; a rule, or the catalogue, refuses any value."""


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def defined(empty: Bystander) -> AsyncIterator[Bystander]:
    """The server, with our Kind in it."""
    applied = await empty.kubectl("apply", *CRDS)
    assert applied.code == 0, applied.errors
    await until("the Kind to be served", lambda: empty.get("/apis/kaito.sh/v1alpha1"))
    yield empty
    gone = await empty.kubectl("delete", *CRDS)
    assert gone.code == 0, gone.errors


async def created(server: Bystander, wire: Json) -> str:
    """What a server-side dry run of an object's creation complains about; "" for nothing."""
    words = ("create", "--dry-run=server", "--validate=strict", "-f", "-")
    done = await server.kubectl(*words, stdin=yaml.safe_dump(wire))
    return done.errors


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
async def test_each_example_is_accepted_in_both_versions(
    defined: Bystander, name: str, version: str
) -> None:
    wire = yaml.safe_load(EXAMPLES[name]) | {"apiVersion": f"kaito.sh/{version}"}

    assert await created(defined, wire) == ""


@pytest.mark.parametrize("page", ["air-gapped.md", "tuning.md"])
async def test_the_workspace_of_a_guide_is_accepted(defined: Bystander, page: str) -> None:
    wire = yaml.safe_load(sample(f"docs/guides/{page}", "Workspace"))

    assert await created(defined, wire) == ""


@pytest.mark.parametrize("name", EXAMPLES)
async def test_each_example_is_on_the_page_as_it_is(name: str) -> None:
    assert f"```yaml\n{EXAMPLES[name]}```" in PAGE


async def test_the_page_has_every_field_that_the_server_explains(defined: Bystander) -> None:
    explained = await defined.kubectl("explain", "workspace", "--recursive")
    assert explained.code == 0, explained.errors
    _, _, listed = explained.output.partition("FIELDS:\n")
    on_page = [
        path.replace("[]", "")
        for path in re.findall(r"^\| `([a-z][\w.\[\]]*)` \|.*\| .+ \|", PAGE, re.M)
    ]
    served = set(paths(listed))

    assert len(served) > 50
    assert served - set(on_page) == set()


def paths(tree: str) -> list[str]:
    """The fields that `kubectl explain --recursive` lists, but those that every Kind has."""
    found, way = [], list[str]()
    for line in tree.splitlines():
        match = re.match(r"^( +)(\w+)\t", line)
        if not match:
            continue
        depth = len(match[1]) // 2 - 1
        way = [*way[:depth], match[2]]
        if way[0] in ("resource", "inference", "tuning", "status"):
            found.append(".".join(way))
    return found


async def test_every_supported_field_has_an_example() -> None:
    examples = fields.read_examples(ROOT).values()

    assert set(fields.unexampled(fields.schema(ROOT), examples)) == REFUSED


async def test_a_field_without_an_example_is_found() -> None:
    assert "resource.count" in fields.unexampled(fields.schema(ROOT), [])


@pytest.mark.parametrize(
    ("file", "path", "value"),
    [
        ("serve", "resource.count", 2),
        ("serve", "resource.instanceType", "Standard_NC4as_T4_v3"),
        ("serve", "inference.preset.name", "phi-2"),
        ("tune", "tuning.method", "lora"),
        ("tune", "tuning.input.name", "letters"),
        ("serve", "resource.preferredNodes", ["gpu-2"]),
        ("tune", "tuning.config", "others"),
        ("serve", "inference.adapters", []),
    ],
    ids=lambda value: str(value),
)
async def test_what_can_change_is_what_the_page_says(
    defined: Bystander, file: str, path: str, value: object
) -> None:
    wire = yaml.safe_load(EXAMPLES[file])
    assert (await defined.kubectl("create", "-f", "-", stdin=yaml.safe_dump(wire))).code == 0
    *way, last = path.split(".")
    holder = wire
    for name in way:
        holder = holder[name]
    holder[last] = value

    words = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-")
    changed = await defined.kubectl(*words, stdin=yaml.safe_dump(wire))
    gone = await defined.kubectl("delete", "workspace", wire["metadata"]["name"])

    row, *_ = re.findall(rf"^\| `{re.escape(path)}` \|.*", PAGE, re.M)
    says = re.split(r"(?<!\\) \| ", row)[4]
    assert gone.code == 0, gone.errors
    assert says == ("yes" if changed.code == 0 else "no"), changed.errors
