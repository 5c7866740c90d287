"""Variables, fields and quantities."""

from __future__ import annotations

import pytest

from hack.cluster.kubelet.environment import (
    Sources,
    environment,
    expanded,
    names_used,
    service_links,
)
from hack.cluster.kubelet.fields import Unresolvable, field, resource
from hack.cluster.kubelet.pod import FieldSelector, ResourceSelector
from hack.cluster.kubelet.quantity import in_units
from kaito.kube.kinds import Service
from tests.unit.cluster.kubelet.builders import PLACE, a_container, a_pod, container

SOURCES = Sources(
    place=PLACE,
    config_maps={"settings": {"LEVEL": "info", "COLOR": "blue"}},
    secrets={"keys": {"TOKEN": "s3cret"}},
    service_links={"KUBERNETES_SERVICE_HOST": "127.96.0.1"},
)


def resolved(**fields: object) -> dict[str, str]:
    one = container(**fields)
    return environment(a_pod(a_container(**fields)), one, SOURCES)


def test_variables_come_from_values_fields_and_objects() -> None:
    env = resolved(
        env=[
            {"name": "PLAIN", "value": "1"},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {
                "name": "LEVEL",
                "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "LEVEL"}},
            },
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "TOKEN"}}},
            {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        ],
        resources={"limits": {"cpu": "1500m"}},
    )

    assert env == {
        "KUBERNETES_SERVICE_HOST": "127.96.0.1",
        "PLAIN": "1",
        "IP": "10.239.3.9",
        "LEVEL": "info",
        "TOKEN": "s3cret",
        "CPUS": "2",
    }


def test_own_variables_win_over_those_of_whole_objects() -> None:
    env = resolved(
        envFrom=[{"configMapRef": {"name": "settings"}, "prefix": "APP_"}],
        env=[{"name": "APP_LEVEL", "value": "debug"}],
    )

    assert env["APP_LEVEL"] == "debug"
    assert env["APP_COLOR"] == "blue"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$(A)", "1"),
        ("x-$(A)-y", "x-1-y"),
        ("$(NOPE)", "$(NOPE)"),
        ("$$(A)", "$(A)"),
        ("$A ${A}", "$A ${A}"),
        ("$$", "$"),
    ],
)
def test_references_are_expanded_as_the_api_says(text: str, result: str) -> None:
    assert expanded(text, {"A": "1"}) == result


def test_a_variable_may_use_those_before_it() -> None:
    env = resolved(
        env=[
            {"name": "LATE", "value": "$(FIRST)"},
            {"name": "FIRST", "value": "1"},
            {"name": "SECOND", "value": "$(FIRST)2"},
        ]
    )

    assert env["LATE"] == "$(FIRST)"
    assert env["SECOND"] == "12"


@pytest.mark.parametrize(
    "source",
    [
        {"configMapKeyRef": {"name": "nope", "key": "a"}},
        {"configMapKeyRef": {"name": "settings", "key": "nope"}},
        {"secretKeyRef": {"name": "nope", "key": "a"}},
        {"fieldRef": {"fieldPath": "spec.containers"}},
    ],
)
def test_what_is_missing_keeps_the_container_from_starting(source: dict[str, object]) -> None:
    with pytest.raises(Unresolvable):
        resolved(env=[{"name": "A", "valueFrom": source}])


def test_what_is_optional_may_be_missing() -> None:
    env = resolved(
        env=[
            {
                "name": "A",
                "valueFrom": {"secretKeyRef": {"name": "nope", "key": "a", "optional": True}},
            }
        ],
        envFrom=[{"secretRef": {"name": "nope", "optional": True}}],
    )

    assert env == {"KUBERNETES_SERVICE_HOST": "127.96.0.1"}


def test_only_the_named_objects_are_asked_for() -> None:
    one = container(
        envFrom=[{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "b"}}],
        env=[{"name": "X", "valueFrom": {"secretKeyRef": {"name": "c", "key": "k"}}}],
    )

    assert names_used(one) == ({"a"}, {"b", "c"})


def test_services_are_named_in_the_form_that_programs_trip_over() -> None:
    service = Service.model_validate(
        {
            "metadata": {"name": "my-app"},
            "spec": {"clusterIP": "127.96.3.4", "ports": [{"name": "http", "port": 80}]},
        }
    )
    headless = Service.model_validate({"metadata": {"name": "h"}, "spec": {"clusterIP": "None"}})

    links = service_links([service, headless], api_address="127.96.0.1")

    assert links["KUBERNETES_SERVICE_PORT_HTTPS"] == "443"
    assert links["MY_APP_SERVICE_HOST"] == "127.96.3.4"
    assert links["MY_APP_SERVICE_PORT_HTTP"] == "80"
    assert links["MY_APP_PORT"] == "tcp://127.96.3.4:80"
    assert not any(name.startswith("H_") for name in links)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "default"),
        ("metadata.labels['app']", "web"),
        ("metadata.labels", 'app="web"\ntier="front"'),
        ("metadata.annotations['none']", ""),
        ("spec.nodeName", "node-1"),
        ("status.hostIP", "10.31.0.7"),
    ],
)
def test_fields_of_the_pod_have_their_values(path: str, value: str) -> None:
    assert field(a_pod(), PLACE, FieldSelector(field_path=path)) == value


def test_a_limit_that_is_not_set_is_what_the_node_has() -> None:
    selector = ResourceSelector(resource="limits.memory", divisor="1Mi")

    assert resource(a_pod(), PLACE, selector, container()) == "8192"


@pytest.mark.parametrize(
    ("quantity", "divisor", "count"),
    [("500m", "", "1"), ("2", "1m", "2000"), ("1Gi", "1Mi", "1024"), ("1500M", "1G", "2")],
)
def test_quantities_are_rounded_up_to_whole_units(quantity: str, divisor: str, count: str) -> None:
    assert in_units(quantity, divisor) == count
