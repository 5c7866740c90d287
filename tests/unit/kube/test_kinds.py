"""Built-in Kinds read the wire's own spelling."""

from __future__ import annotations

from kaito.kube.kinds import LEASES, NODES, PODS, SERVICES
from kaito.kube.objects import Ref


def test_initialisms_are_read_as_the_api_server_writes_them() -> None:
    node = NODES.type.model_validate({"spec": {"providerID": "azure:///x"}})
    pod = PODS.type.model_validate({"status": {"podIP": "10.1.2.3"}})
    service = SERVICES.type.model_validate({"spec": {"clusterIP": "10.0.0.1"}})

    assert node.spec.provider_id == "azure:///x"
    assert pod.status.pod_ip == "10.1.2.3"
    assert service.spec.cluster_ip == "10.0.0.1"


def test_why_a_container_does_not_run_is_read() -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    ended = {"exitCode": 137, "reason": "OOMKilled", "message": "out of memory"}
    statuses = [
        {"name": "a", "ready": False, "restartCount": 3, "state": {"waiting": waiting}},
        {"name": "b", "ready": False, "restartCount": 0, "state": {"terminated": ended}},
    ]

    pod = PODS.type.model_validate({"status": {"containerStatuses": statuses}})

    first, second = pod.status.container_statuses
    assert first.state.waiting is not None
    assert first.restart_count == 3
    assert first.state.waiting.reason == "ImagePullBackOff"
    assert second.state.terminated is not None
    assert second.state.terminated.exit_code == 137


def test_paths_are_those_of_the_api() -> None:
    assert NODES.path(Ref("", "n")) == "/api/v1/nodes/n"
    assert PODS.path(namespace="x") == "/api/v1/namespaces/x/pods"
    assert LEASES.path(Ref("x", "l")) == "/apis/coordination.k8s.io/v1/namespaces/x/leases/l"
