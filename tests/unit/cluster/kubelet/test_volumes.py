"""Volumes as folders of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.cluster.kubelet.fields import Unresolvable
from hack.cluster.kubelet.host import Host
from hack.cluster.kubelet.pod import Pod
from hack.cluster.kubelet.volumes import Volumes
from tests.unit.cluster.kubelet.builders import PLACE, a_container, a_pod
from tests.unit.cluster.kubelet.podsapi import PodsApi

CA = "kube-root-ca.crt"
TOKEN_VOLUME: dict[str, object] = {
    "name": "v",
    "projected": {
        "defaultMode": 0o640,
        "sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 600, "audience": "a"}},
            {"configMap": {"name": CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {
                "downwardAPI": {
                    "items": [
                        {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
                    ]
                }
            },
        ],
    },
}


def the_pod(volume: dict[str, object], **mount: object) -> Pod:
    mounted = {"name": "v", "mountPath": "/v", **mount}
    return a_pod(a_container(volumeMounts=[mounted]), volumes=[volume])


async def written(host: Host, folder: Path, pod: Pod) -> Path:
    await Volumes(folder, host.objects).write(pod, PLACE)
    return folder / "v"


async def test_the_service_account_volume_is_as_every_pod_knows_it(
    host: Host, api: PodsApi, tmp_path: Path
) -> None:
    api.config_map(CA, **{"ca.crt": "CERTIFICATE", "other": "x"})

    folder = await written(host, tmp_path, the_pod(TOKEN_VOLUME))

    assert (folder / "token").read_text() == "token-1"
    assert (folder / "ca.crt").read_text() == "CERTIFICATE"
    assert (folder / "namespace").read_text() == "default"
    assert not (folder / "other").exists()
    assert (folder / "token").stat().st_mode & 0o777 == 0o640


async def test_a_token_is_bound_to_its_pod_and_audience(
    host: Host, api: PodsApi, tmp_path: Path
) -> None:
    api.config_map(CA, **{"ca.crt": "x"})
    pod = the_pod(TOKEN_VOLUME)

    await written(host, tmp_path, pod)

    (request,) = api.tokens
    spec = request["spec"]
    assert isinstance(spec, dict)
    assert spec["audiences"] == ["a"]
    assert spec["expirationSeconds"] == 600
    assert spec["boundObjectRef"]["uid"] == pod.metadata.uid


async def test_a_young_token_is_not_asked_for_again(
    host: Host, api: PodsApi, tmp_path: Path
) -> None:
    api.config_map(CA, **{"ca.crt": "x"})

    for _ in range(3):
        await written(host, tmp_path, the_pod(TOKEN_VOLUME))

    assert len(api.tokens) == 1


async def test_a_secret_is_decoded_and_an_item_has_its_own_path_and_mode(
    host: Host, api: PodsApi, tmp_path: Path
) -> None:
    api.secret("s", word="hunter2", other="x")
    items = [{"key": "word", "path": "deep/pw", "mode": 0o400}]

    folder = await written(
        host, tmp_path, the_pod({"name": "v", "secret": {"secretName": "s", "items": items}})
    )

    assert (folder / "deep" / "pw").read_text() == "hunter2"
    assert (folder / "deep" / "pw").stat().st_mode & 0o777 == 0o400
    assert not (folder / "other").exists()


@pytest.mark.parametrize(
    "volume",
    [
        {"name": "v", "configMap": {"name": "none"}},
        {"name": "v", "secret": {"secretName": "none"}},
        {"name": "v", "persistentVolumeClaim": {"claimName": "x"}},
        {"name": "v", "hostPath": {"path": "/no/such/path"}},
    ],
    ids=["config-map", "secret", "claim", "host-path"],
)
async def test_what_cannot_be_had_keeps_the_pod_waiting(
    host: Host, tmp_path: Path, volume: dict[str, object]
) -> None:
    with pytest.raises(Unresolvable):
        await written(host, tmp_path, the_pod(volume))


async def test_an_optional_source_may_be_missing(host: Host, tmp_path: Path) -> None:
    source = {"name": "none", "optional": True}

    folder = await written(host, tmp_path, the_pod({"name": "v", "configMap": source}))

    assert [path.name for path in folder.iterdir() if not path.name.startswith("..")] == []


async def test_only_an_empty_folder_can_be_written_by_a_container(
    host: Host, api: PodsApi, tmp_path: Path
) -> None:
    api.config_map("c", a="1")
    sources: list[dict[str, object]] = [
        {"emptyDir": {}},
        {"configMap": {"name": "c"}},
        {"hostPath": {"path": "/"}},
    ]

    writable = []
    for number, source in enumerate(sources):
        pod = the_pod({"name": "v", **source}, readOnly="hostPath" in source)
        volumes = Volumes(tmp_path / str(number), host.objects)
        await volumes.write(pod, PLACE)
        (bind,) = volumes.binds(pod, pod.spec.containers[0], {})
        writable.append(bind.writable)

    assert writable == [True, False, False]


@pytest.mark.parametrize("read_only", [True, False])
async def test_a_claim_is_the_folder_of_its_volume(
    host: Host, api: PodsApi, tmp_path: Path, *, read_only: bool
) -> None:
    api.claim("c", str(tmp_path))
    source: dict[str, object] = {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}
    pod = the_pod(source, readOnly=read_only)
    volumes = Volumes(tmp_path / "volumes", host.objects)

    await volumes.write(pod, PLACE)
    (bind,) = volumes.binds(pod, pod.spec.containers[0], {})

    assert (bind.source, bind.writable) == (tmp_path, not read_only)


async def test_a_host_path_must_be_mounted_read_only(host: Host, tmp_path: Path) -> None:
    pod = the_pod({"name": "v", "hostPath": {"path": "/"}})

    with pytest.raises(Unresolvable, match="read-only"):
        Volumes(tmp_path, host.objects).binds(pod, pod.spec.containers[0], {})


async def test_a_sub_path_is_one_file_or_a_folder_made_for_it(
    host: Host, api: PodsApi, tmp_path: Path
) -> None:
    api.config_map("c", a="1")
    one = the_pod({"name": "v", "configMap": {"name": "c"}}, subPath="a")
    two = the_pod({"name": "v", "emptyDir": {}}, subPathExpr="$(NAME)/x")
    files, folders = Volumes(tmp_path / "1", host.objects), Volumes(tmp_path / "2", host.objects)
    await files.write(one, PLACE)
    await folders.write(two, PLACE)

    (file,) = files.binds(one, one.spec.containers[0], {})
    (folder,) = folders.binds(two, two.spec.containers[0], {"NAME": "n"})

    assert file.source.read_text() == "1"
    assert folder.source.is_dir()
    assert folder.source == (tmp_path / "2" / "v" / "n" / "x").resolve()


async def test_a_sub_path_cannot_leave_its_volume(host: Host, tmp_path: Path) -> None:
    pod = the_pod({"name": "v", "emptyDir": {}}, subPath="../../etc")
    volumes = Volumes(tmp_path, host.objects)
    await volumes.write(pod, PLACE)

    with pytest.raises(Unresolvable, match="leaves"):
        volumes.binds(pod, pod.spec.containers[0], {})
