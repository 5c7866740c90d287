"""When the Service is made: while machines come up, unless only their nodes can tell which."""

from __future__ import annotations

from dataclasses import replace

from kaito.api.reasons import Reason
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.status import verdict
from kaito.controllers.workspace.step import Create
from tests.unit.controllers.workspace import test_group
from tests.unit.controllers.workspace.worlds import acted, observed, workspace


def created(seen: Observed) -> list[str]:
    """Kinds of what a plan creates, in order."""
    actions = (action for step in plan(seen) for action in step.actions)
    return [action.resource.kind for action in actions if isinstance(action, Create)]


def test_a_machine_is_asked_for_first_and_the_service_made_while_it_comes() -> None:
    begun = observed()
    asked = acted(begun)

    assert created(begun) == ["Machine"]
    assert created(asked) == ["Service"]
    assert created(acted(asked)) == []


def test_the_workspace_goes_on_waiting_for_its_machine_whatever_becomes_of_the_service() -> None:
    asked = acted(observed())

    assert verdict(plan(asked)).reason is Reason.WAITING_FOR_MACHINES
    assert verdict(plan(acted(asked))).reason is Reason.WAITING_FOR_MACHINES


def test_services_of_pods_that_may_serve_together_wait_for_the_nodes() -> None:
    asked = acted(test_group.seen(nodes=()))

    assert len(asked.claims) == 2
    assert created(asked) == []


def test_a_template_is_given_no_service() -> None:
    template = {"spec": {"containers": [{"name": "c", "image": "i"}]}}
    own = workspace(inference={"template": template})
    held = own.model_copy(update={"metadata": observed().workspace.metadata})
    asked = acted(replace(observed(), workspace=held))

    assert len(asked.claims) == 1
    assert created(asked) == []
