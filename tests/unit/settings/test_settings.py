"""Settings of the workspace controller: who wins, what is refused, what the help says."""

from __future__ import annotations

import pytest

from kaito import settings
from kaito.settings import Settings

UNITS = {"health_port": "port", "metrics_port": "port", "workers": "count"}
"""Units of numbers that are no seconds."""


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine that runs the tests counts."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"KAITO_{name.upper()}", raising=False)


def refused(*argv: str) -> object:
    with pytest.raises(SystemExit) as ended:
        settings.read(argv)
    return ended.value.code


def test_every_field_says_what_it_is_and_a_number_in_what_unit() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        if field.annotation in {int, float}:
            unit = "seconds" if name.endswith("_seconds") else UNITS[name]
            assert unit in field.description, name


def test_a_flag_wins_over_the_variable_and_that_over_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert settings.read(()).workers == 16

    monkeypatch.setenv("KAITO_WORKERS", "3")
    assert settings.read(()).workers == 3
    assert settings.read(("--workers", "5")).workers == 5
    assert settings.read(("--workers=5",)).workers == 5

    monkeypatch.setenv("KAITO_WORKERS", "")
    assert settings.read(()).workers == 16


def test_the_defaults_are_those_of_a_pod_in_a_cluster() -> None:
    found = settings.read(())

    assert (found.host, found.health_port, found.metrics_port) == ("0.0.0.0", 8081, 8080)
    assert (found.namespace, found.kubeconfig, found.leader_elect) == ("kaito-system", "", True)
    assert (found.log_format, found.log_level) == ("json", "info")


def test_a_proxy_is_for_both_schemes_and_not_for_the_cluster_itself() -> None:
    chosen = settings.read(("--https-proxy=http://p:1", "--no-proxy=10.0.0.0/8"))
    told = dict(chosen.carrier.environment)

    assert told["HTTP_PROXY"] == told["HTTPS_PROXY"] == "http://p:1"
    assert {".svc", ".cluster.local", "127.0.0.1", "10.0.0.0/8"} <= set(told["NO_PROXY"].split(","))
    assert settings.read(()).carrier.environment == ()


@pytest.mark.parametrize(
    ("lease", "renew", "retry"),
    [
        ("10", "10", "2"),  # others may take over while the leader still acts
        ("9", "10", "2"),
        ("15", "2", "2"),  # one failed try, and the leader gives up
        ("15", "2.4", "2"),
        ("15", "10", "0"),
        ("-15", "-20", "-30"),
        ("inf", "10", "2"),
        ("nan", "10", "2"),
        ("fifteen", "10", "2"),
    ],
)
def test_lease_times_that_could_make_two_leaders_are_refused(
    lease: str, renew: str, retry: str, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("--lease-seconds", lease, "--renew-seconds", renew, "--retry-seconds", retry)

    assert refused(*argv) == 2
    assert "seconds" in capsys.readouterr().err


def test_lease_times_with_room_between_them_are_taken() -> None:
    argv = ("--lease-seconds", "3", "--renew-seconds", "2.5", "--retry-seconds", "2")

    assert settings.read(argv).renew_seconds == 2.5


@pytest.mark.parametrize(
    "argv",
    [
        ("--workers", "0"),
        ("--workers", "257"),
        ("--health-port", "65536"),
        ("--metrics-port", "-1"),
        ("--log-level", "loud"),
        ("--log-format", "xml"),
        ("--leader-elect", "perhaps"),
        ("--nonsense", "1"),
        ("surplus",),
    ],
)
def test_a_wrong_setting_ends_the_process_with_code_2_and_is_named(
    argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(*argv) == 2
    assert argv[0] in capsys.readouterr().err


def test_two_processes_on_one_host_have_different_identities() -> None:
    first, second = settings.read(()), settings.read(())

    assert first.identity
    assert second.identity
    assert first.identity != second.identity
    assert settings.read(("--identity", "me")).identity == "me"


def test_help_names_every_flag_its_variable_and_its_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert refused("--help") == 0

    said = " ".join(capsys.readouterr().out.split())
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in said
        assert f"env KAITO_{name.upper()}" in said
    assert "python -m kaito" in said
    assert "default 8081;" in said


@pytest.mark.parametrize("cloud", ["azure", "aws", "arc"])
def test_a_cloud_is_one_whose_instance_types_are_known(cloud: str) -> None:
    chosen = settings.read(("--cloud", cloud)).cloud

    assert (Settings().presets_dir / "skus" / f"{chosen}.yaml").is_file()
    assert refused("--cloud", "gcp") == 2


def test_what_is_logged_of_the_settings_holds_no_account() -> None:
    chosen = Settings(
        https_proxy="http://me:secret@proxy.example:3128",
        hub_endpoint="https://me:secret@hub.example/mirror",
    )

    logged = chosen.model_dump(mode="json")

    assert logged["https_proxy"] == "http://proxy.example:3128"
    assert logged["hub_endpoint"] == "https://hub.example/mirror"
    assert dict(chosen.carrier.environment)["HTTPS_PROXY"] == chosen.https_proxy
