"""What the images and the deployed stack promise, as far as their files tell it.

They are built and run by `make images`; here is what must not slip between two builds.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from astro_assets.defs.instance import CONFIG
from astro_assets.settings import Settings
from tests.lean import LEAN, spelled

ROOT = Path(__file__).resolve().parents[1]
DOCKER = ROOT / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
PINNED = re.compile(r"^[a-z0-9./-]+:[a-z0-9.-]+@sha256:[0-9a-f]{64}$")
OWN = re.compile(r"^astro-assets-(code-location|trainer):\d+\.\d+\.\d+$")


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Return the instructions in order, continuation lines joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word]


@pytest.fixture(scope="module")
def stack() -> dict:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


def test_there_are_two_images() -> None:
    assert [path.name for path in DOCKERFILES] == ["code-location.Dockerfile", "trainer.Dockerfile"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
class TestDockerfile:
    def test_it_stands_on_one_base_by_tag_and_digest(self, dockerfile: Path) -> None:
        found = instructions(dockerfile)
        argument, _, base = next(rest for word, rest in found if word == "ARG").partition("=")
        assert argument == "PYTHON_IMAGE" and PINNED.match(base)
        assert {rest.split()[0] for word, rest in found if word == "FROM"} == {"${PYTHON_IMAGE}"}

    def test_the_bases_are_the_same(self, dockerfile: Path) -> None:
        bases = {re.search(r"ARG (PYTHON_IMAGE=.*)", path.read_text())[1] for path in DOCKERFILES}
        assert len(bases) == 1

    def test_the_last_stage_is_not_root_and_holds_no_tools_of_the_build(
        self, dockerfile: Path
    ) -> None:
        found = instructions(dockerfile)
        stages = [number for number, (word, _) in enumerate(found) if word == "FROM"]
        assert len(stages) == 2
        last = found[stages[-1] :]
        assert [rest for word, rest in last if word == "USER"] == ["10001:10001"]
        assert not any("pip" in rest for word, rest in last if word == "RUN")
        after_user = last[[word for word, _ in last].index("USER") :]
        assert "RUN" not in [word for word, _ in after_user]

    def test_every_package_is_pinned(self, dockerfile: Path) -> None:
        commands = " ".join(rest for word, rest in instructions(dockerfile) if word == "RUN")
        installs = re.findall(r"pip install [^&]*", commands)
        assert installs
        for install in installs:
            assert "-c constraints.txt" in install or "--no-deps" in install

    def test_it_names_no_address(self, dockerfile: Path) -> None:
        assert "://" not in dockerfile.read_text()

    def test_hadolint_has_nothing_to_say(self, dockerfile: Path) -> None:
        if shutil.which("hadolint") is None:
            pytest.skip("hadolint is not installed")
        done = subprocess.run(["hadolint", dockerfile], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "")


def test_scripts_are_clean() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    scripts = [str(path) for path in sorted(DOCKER.glob("*.sh"))]
    assert scripts
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_trainer_holds_the_lean_list_and_no_more() -> None:
    lines = (DOCKER / "trainer-requirements.txt").read_text().splitlines()
    assert tuple(line for line in lines if not line.startswith("#")) == LEAN


def test_what_the_images_install_is_pinned() -> None:
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    pinned = {spelled(line.partition("==")[0]) for line in pins}
    listed = subprocess.run(
        [sys.executable, DOCKER / "requirements.py", ROOT / "pyproject.toml", "deploy", "kaggle"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert any(line.startswith("dagster-postgres") for line in listed)
    names = {spelled(re.match(r"[\w.-]+", line)[0]) for line in [*listed, *LEAN, "hatchling"]}
    assert names - pinned == set()
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!-]+", line) for line in pins)


def test_postgres_storage_belongs_to_the_dagster_that_is_pinned() -> None:
    """Their libraries are released together: 1.N.P goes with 0.(N+16).P."""
    pins = dict(re.findall(r"^([\w-]+)==(.+)$", (ROOT / "constraints.txt").read_text(), re.M))
    _, minor, patch = pins["dagster"].split(".")
    assert pins["dagster-postgres"] == f"0.{int(minor) + 16}.{patch}"


IMPORTS = """
from tests.lean import only_lean
only_lean()
import importlib, json, pkgutil, sys
import astro_assets.training, astro_assets.models
# Pretraining a base needs papers: it is done where the papers are.
HEAVY = {"astro_assets.training.scratch", "astro_assets.training.scratch_tokenizer"}
names = [
    module.name
    for package in (astro_assets.training, astro_assets.models)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    if module.name not in HEAVY
]
failed = {}
for name in names:
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed[name] = str(error)
try:
    import dagster
except ModuleNotFoundError:
    failed_as_it_must = True
print(json.dumps({"n": len(names), "failed": failed, "bites": failed_as_it_must}))
"""


def test_training_and_models_import_where_only_the_lean_list_is() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["bites"] and told["n"] > 10
    assert told["failed"] == {}


class TestStack:
    def test_its_services(self, stack: dict) -> None:
        assert set(stack["services"]) == {
            "postgres",
            "mlflow",
            "code-location",
            "webserver",
            "daemon",
            "trainer",
        }

    def test_ports_are_on_loopback_only(self, stack: dict) -> None:
        ports = [
            port for service in stack["services"].values() for port in service.get("ports", [])
        ]
        assert len(ports) == 2
        for port in ports:
            assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)
        modes = [service.get("network_mode") for service in stack["services"].values()]
        assert modes == [None] * len(modes)

    def test_images_are_ours_or_pinned_by_digest(self, stack: dict) -> None:
        for service in stack["services"].values():
            assert OWN.match(service["image"]) or PINNED.match(service["image"])

    def test_our_images_bear_the_package_s_version(self, stack: dict) -> None:
        version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.M)[1]
        images = {service["image"] for service in stack["services"].values()}
        assert {
            f"astro-assets-code-location:{version}",
            f"astro-assets-trainer:{version}",
        } <= images

    def test_ours_run_without_root_and_without_capabilities(self, stack: dict) -> None:
        for name, service in stack["services"].items():
            assert "no-new-privileges:true" in service["security_opt"]
            assert not service.get("privileged")
            if name != "postgres":
                assert service["user"] == "10001:10001" and service["cap_drop"] == ["ALL"]

    def test_what_serves_is_probed_and_waited_for(self, stack: dict) -> None:
        services = stack["services"]
        for name in ("postgres", "mlflow", "webserver", "daemon"):
            assert services[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
        assert "HEALTHCHECK" in dict(instructions(DOCKER / "code-location.Dockerfile"))
        waits = [
            wait["condition"]
            for service in services.values()
            for wait in service.get("depends_on", {}).values()
        ]
        assert waits and set(waits) == {"service_healthy"}

    def test_the_trainer_is_asked_for_and_gets_the_gpu_and_the_home(self, stack: dict) -> None:
        trainer = stack["services"]["trainer"]
        assert trainer["profiles"] == ["gpu"]
        (device,) = trainer["deploy"]["resources"]["reservations"]["devices"]
        assert device["driver"] == "nvidia" and device["capabilities"] == ["gpu"]
        assert trainer["volumes"] == stack["services"]["code-location"]["volumes"]
        assert stack["networks"]["trainer"]["internal"] is True
        assert "environment" not in trainer  # no passwords, no tokens
        others = [one for name, one in stack["services"].items() if name != "trainer"]
        assert not any("profiles" in one for one in others)

    def test_code_location_leaves_training_to_the_trainer(self, stack: dict) -> None:
        assert stack["services"]["code-location"]["environment"]["ASTRO_TRAINER"] == "elsewhere"

    def test_mlflow_reads_no_pickles_and_knows_its_names(self, stack: dict) -> None:
        mlflow = stack["services"]["mlflow"]
        assert mlflow["environment"]["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
        (hosts,) = [word for word in mlflow["command"] if word.startswith("--allowed-hosts=")]
        assert "mlflow:5000" in hosts and "*" not in hosts

    def test_no_secret_is_written_down(self, stack: dict) -> None:
        example = (DOCKER / "env.example").read_text()
        given = dict(re.findall(r"^(\w+)=(.*)$", example, re.M))
        secret = [name for name in given if re.search("PASSWORD|TOKEN", name)]
        assert len(secret) == 3 and all(given[name] == "" for name in secret)
        asked = set(re.findall(r"\$\{(\w+)", (DOCKER / "compose.yaml").read_text()))
        assert asked == {"POSTGRES_USER", "POSTGRES_PASSWORD", "CPU_TORCH_INDEX_URL"}
        assert asked <= set(given)

    def test_tokens_go_where_runs_are_and_nowhere_else(self, stack: dict) -> None:
        given = {name: one.get("env_file") for name, one in stack["services"].items()}
        assert {name for name, file in given.items() if file} == {
            "code-location",
            "webserver",
            "daemon",
        }

    def test_what_the_example_sets_are_settings(self) -> None:
        lines = (DOCKER / "env.example").read_text().splitlines()
        names = {line.partition("=")[0] for line in lines if line.startswith("ASTRO_")}
        assert names
        assert {name.removeprefix("ASTRO_").lower() for name in names} <= set(Settings.model_fields)
        assert ".env" in (ROOT / ".gitignore").read_text().split()


class TestInstance:
    def test_it_is_as_in_a_home_but_for_the_storage(self) -> None:
        deployed = yaml.safe_load((DOCKER / "dagster.yaml").read_text())
        assert {name: deployed[name] for name in CONFIG} == CONFIG

    def test_postgres_is_reached_by_the_driver_that_is_installed(self) -> None:
        deployed = yaml.safe_load((DOCKER / "dagster.yaml").read_text())
        database = deployed["storage"]["postgres"]["postgres_db"]
        assert database["scheme"] == "postgresql+psycopg2"
        assert database["password"] == {"env": "POSTGRES_PASSWORD"}

    def test_the_workspace_names_the_code_location_s_port(self, stack: dict) -> None:
        (entry,) = yaml.safe_load((DOCKER / "workspace.yaml").read_text())["load_from"]
        server = entry["grpc_server"]
        assert server["host"] in stack["services"]
        found = dict(instructions(DOCKER / "code-location.Dockerfile"))
        assert found["EXPOSE"] == str(server["port"])
        assert f'"{server["port"]}"' in found["CMD"]


def test_the_build_context_holds_no_data_and_no_secrets() -> None:
    lines = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert lines[0] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert "docker/.env" not in allowed and "docker" not in allowed
    copied = " ".join(
        rest
        for path in DOCKERFILES
        for word, rest in instructions(path)
        if word == "COPY" and "--from" not in rest
    )
    needed = {word for word in copied.split() if (ROOT / word).exists() and word not in {".", "./"}}
    assert needed <= allowed
