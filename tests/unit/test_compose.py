"""docker-compose.yml: pinned, on loopback, healthy before it is depended on, without secrets."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXAMPLE = dict(
    line.split("=", 1)
    for line in (ROOT / ".env.example").read_text().splitlines()
    if line and not line.startswith("#")
)
VARIABLE = re.compile(r"\$\{(\w+)([^}]*)\}")
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|CONNECTION_STRING")


@pytest.fixture(params=sorted(SERVICES))
def service(request: pytest.FixtureRequest) -> dict[str, Any]:
    return SERVICES[request.param]


def test_a_team_gets_lakefs_label_studio_and_postgresql() -> None:
    assert set(SERVICES) == {"lakefs", "label-studio", "postgres"}


def test_an_image_is_pinned_to_a_version(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"[\w./-]+:\d+\.\d+(\.\d+)?", service["image"])


def test_label_studio_is_the_version_that_the_queue_was_tried_on() -> None:
    from datahub.adapters.labelstudio_server import VERSION

    assert SERVICES["label-studio"]["image"].endswith(f":{VERSION}")


def test_a_port_is_published_on_loopback_alone(service: dict[str, Any]) -> None:
    assert service["ports"]
    for port in service["ports"]:
        assert port.startswith("127.0.0.1:")


def test_a_service_has_a_healthcheck_and_comes_back(service: dict[str, Any]) -> None:
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"
    assert service["networks"] == ["datahub"]


def test_what_is_depended_on_must_be_healthy() -> None:
    for name in ("lakefs", "label-studio"):
        assert SERVICES[name]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_a_volume_that_is_mounted_is_declared(service: dict[str, Any]) -> None:
    for volume in service["volumes"]:
        source = volume.split(":")[0]
        assert source in COMPOSE["volumes"] or (ROOT / source).is_file()


def test_no_secret_is_written_or_has_a_default(service: dict[str, Any]) -> None:
    for name, value in service["environment"].items():
        if SECRET.search(name):
            asked = VARIABLE.findall(str(value))
            assert asked, f"{name} is written out"
            assert all(rest.startswith(":?") for _, rest in asked), f"{name} has a default"


def test_the_example_names_every_variable_and_gives_no_value() -> None:
    assert {name for name, _ in VARIABLE.findall(TEXT)} == set(EXAMPLE)
    assert set(EXAMPLE.values()) == {""}


def test_the_filled_in_example_is_never_committed() -> None:
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_nothing_calls_out_or_lets_strangers_in() -> None:
    studio, lake = SERVICES["label-studio"]["environment"], SERVICES["lakefs"]["environment"]

    off = ("COLLECT_ANALYTICS", "LATEST_VERSION_CHECK", "CORS_ALLOW_ALL_ORIGINS")
    assert [studio[name] for name in off] == ["false"] * 3
    assert studio["DISABLE_SIGNUP_WITHOUT_LINK"] == "true"
    assert studio["SENTRY_DSN"] == studio["FRONTEND_SENTRY_DSN"] == ""
    off = ("STATS_ENABLED", "USAGE_REPORT_ENABLED", "SECURITY_CHECK_LATEST_VERSION")
    assert [lake[f"LAKEFS_{name}"] for name in off] == ["false"] * 3


def test_each_service_has_a_database_of_its_own() -> None:
    made = re.findall(r"^make_database (\w+)", (ROOT / "docker/postgres-init.sh").read_text(), re.M)
    lake = SERVICES["lakefs"]["environment"]["LAKEFS_DATABASE_POSTGRES_CONNECTION_STRING"]

    assert made == ["lakefs", "labelstudio", "datahub"]
    assert lake.startswith("postgres://lakefs:")
    assert lake.endswith("@postgres:5432/lakefs?sslmode=disable")
    assert SERVICES["label-studio"]["environment"]["POSTGRE_NAME"] == "labelstudio"


def test_compose_itself_understands_the_file() -> None:
    """Where the compose plugin is there; the server is not asked."""
    docker = shutil.which("docker")
    command = [docker or "docker", "compose", "--file", str(ROOT / "docker-compose.yml")]
    if docker is None or subprocess.run([*command, "version"], capture_output=True).returncode:
        pytest.skip("docker compose is not here: the file is read as YAML only")
    filled = dict.fromkeys(EXAMPLE, "1")
    finds = ("PATH", "HOME", "DOCKER_CONFIG")  # where docker looks for the plugin
    plain = {name: os.environ[name] for name in finds if name in os.environ}

    understood = subprocess.run([*command, "config", "-q"], env=plain | filled, check=False)
    refused = subprocess.run(
        [*command, "--env-file", os.devnull, "config", "-q"],
        env=plain,
        capture_output=True,
        text=True,
        check=False,
    )

    assert understood.returncode == 0
    assert refused.returncode != 0
    assert "see .env.example" in refused.stderr
