"""Settings: flag before environment before default, and messages that name the remedy."""

from __future__ import annotations

import pytest

from kaito.kube import flags
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
