"""The command's own words: settings, an empty registry, a text that cannot be continued."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from astro_assets.cli import app


@pytest.fixture
def command(tmp_path: Path):
    def invoke(*arguments: str, **environment: str):
        return CliRunner().invoke(
            app,
            arguments,
            env={"ASTRO_HOME": str(tmp_path / "home"), "COLUMNS": "200"} | environment,
        )

    return invoke


def test_settings_say_where_each_value_came_from(command):
    result = command("settings", ASTRO_RECIPE="paper")
    assert result.exit_code == 0
    told = [line for line in result.stdout.splitlines() if line.strip()]
    # A description that goes on in the next line may begin with any word; the setting comes first.
    lines = {line.split()[0]: line for line in reversed(told)}
    assert "paper" in lines["recipe"] and "environment" in lines["recipe"]
    assert "default" in lines["category_rule"]


def test_no_password_is_shown(command):
    result = command("settings", MLFLOW_TRACKING_URI="db://a:se:cr@t@h")
    assert result.exit_code == 0
    assert "db://a:***@h" in result.stdout


def test_a_bad_setting_ends_with_its_name_and_no_traceback(command):
    result = command("settings", ASTRO_BLOCK_LENGTH="none")
    assert result.exit_code == 2
    assert "ASTRO_BLOCK_LENGTH" in result.output and "Traceback" not in result.output


def test_an_empty_registry_is_no_error_but_says_what_to_do(command):
    result = command("models", "list")
    assert result.exit_code == 0 and "astro-assets demo" in result.output


def test_completing_without_a_champion_names_what_is_missing(command):
    result = command("complete", "We present")
    assert result.exit_code == 2
    assert "astrollama" in result.output and "Traceback" not in result.output


def test_an_empty_text_cannot_be_continued(command):
    result = command("complete", "  ")
    assert result.exit_code == 2 and "0 characters" not in result.output
    assert "1 to 20,000" in result.output
