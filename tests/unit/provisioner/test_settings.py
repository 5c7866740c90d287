"""Settings: flag before environment before default, and messages that name the remedy."""

from __future__ import annotations

import pytest
from azure.identity.aio import (
    AzureCliCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

from kaito.kube import flags
from provisioner.azure.clouds import CLOUDS
from provisioner.azure.credentials import Identity, credential
from provisioner.settings import PREFIX, Settings

AZURE = {
    "ARM_SUBSCRIPTION_ID": "sub",
    "ARM_RESOURCE_GROUP": "group",
    "AZURE_CLUSTER_NAME": "cluster",
    "AZURE_CLIENT_ID": "client",
    "AZURE_TENANT_ID": "tenant",
}


def load(*argv: str, **environ: str) -> Settings:
    return flags.load(Settings, argv, {**AZURE, **environ}, prefix=PREFIX)


def test_the_standard_azure_variables_are_read() -> None:
    chosen = load(AZURE_AUTHORITY_HOST="https://login/")

    assert chosen.subscription_id == "sub"
    assert chosen.client_id == "client"
    assert chosen.resource_group == "group"
    assert chosen.authority_host == "https://login/"


def test_a_flag_wins_over_our_variable_and_that_over_the_standard_one() -> None:
    ours = {"PROVISIONER_CLUSTER_NAME": "ours"}

    assert load(**ours).cluster_name == "ours"
    assert load("--cluster-name", "flag", **ours).cluster_name == "flag"
    assert load("--cluster-name=flag").cluster_name == "flag"


@pytest.mark.parametrize(
    ("cloud", "endpoint", "authority"),
    [
        ("public", "https://management.azure.com", "https://login.microsoftonline.com/"),
        ("china", "https://management.chinacloudapi.cn", "https://login.chinacloudapi.cn/"),
        (
            "usgovernment",
            "https://management.usgovcloudapi.net",
            "https://login.microsoftonline.us/",
        ),
    ],
)
def test_a_cloud_has_its_own_addresses(cloud: str, endpoint: str, authority: str) -> None:
    assert load("--azure-cloud", cloud).arm_endpoint == ""
    assert CLOUDS[cloud].endpoint == endpoint
    assert CLOUDS[cloud].authority == authority
    assert CLOUDS[cloud].scope == f"{endpoint}/.default"


def test_only_a_federated_identity_needs_both_ids() -> None:
    nobody = {"AZURE_CLIENT_ID": "", "AZURE_TENANT_ID": ""}

    assert load("--credential", "managed", **nobody).client_id == ""
    assert load("--credential=developer", **nobody).tenant_id == ""


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        ("workload", WorkloadIdentityCredential),
        ("managed", ManagedIdentityCredential),
        ("developer", AzureCliCredential),
    ],
)
async def test_the_setting_alone_says_which_credential_is_used(way: str, kind: type) -> None:
    made = credential(Identity("tenant", "client", "file", "https://login/", way=way))

    assert isinstance(made, kind)
    await made.close()


@pytest.mark.parametrize("tags", ["a=b", "a=b,c=d=e", "cost center=7", ""])
def test_tags_are_pairs(tags: str) -> None:
    assert load(f"--tags={tags}").tags == tags


def test_an_empty_variable_counts_as_unset() -> None:
    assert load(PROVISIONER_POLL_SECONDS="").poll_seconds == 15


@pytest.mark.parametrize(
    ("argument", "expected"),
    [("--leader-elect", True), ("--leader-elect=false", False), ("--leader-elect=true", True)],
)
def test_a_switch_may_be_named_or_given_a_value(argument: str, *, expected: bool) -> None:
    assert load(argument).leader_elect is expected


@pytest.mark.parametrize(
    ("argv", "environ", "words"),
    [
        (("--poll-seconds", "-1"), {}, ("--poll-seconds='-1'", "greater than 0")),
        ((), {"PROVISIONER_HEALTH_PORT": "x"}, ("PROVISIONER_HEALTH_PORT='x'", "integer")),
        (("--arm-endpoint", "http://x"), {}, ("--arm-endpoint", "https://")),
        (("--lease-seconds", "5"), {}, ("--lease-seconds", "--renew-seconds")),
        ((), {"AZURE_CLIENT_ID": ""}, ("--client-id", "AZURE_CLIENT_ID")),
        (("--tags", "a/b=x"), {}, ("--tags",)),
        (("--subnet-id", "x"), {}, ("--subnet-id", "subnets")),
        (("--log-format", "xml"), {}, ("--log-format='xml'", "json")),
        (("--lease", "5"), {}, ("unrecognized arguments: --lease",)),
    ],
)
def test_a_wrong_setting_ends_with_code_2_and_says_which(
    argv: tuple[str, ...],
    environ: dict[str, str],
    words: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        load(*argv, **environ)

    assert ended.value.code == 2
    said = capsys.readouterr().err
    for word in words:
        assert word in said


def test_help_lists_every_setting_with_its_variable_and_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        load("--help")

    said = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    for name, field in Settings.model_fields.items():
        assert field.description
        assert flags.flag(name) in said
        assert f"PROVISIONER_{name.upper()}" in said
