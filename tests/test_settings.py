from pathlib import Path

import pytest

from astro_assets.errors import BadSettingError
from astro_assets.settings import load_settings, origin_of


def test_flags_win_over_environment_and_defaults(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ASTRO_RECIPE", "paper")
    monkeypatch.setenv("ASTRO_CONTACT", "me@example.org")
    flags = {"recipe": "smoke", "snapshot": None}
    settings = load_settings(**flags)
    assert (settings.recipe, settings.contact) == ("smoke", "me@example.org")
    assert origin_of(settings, "recipe", flags) == "flag"
    assert origin_of(settings, "contact", flags) == "environment (ASTRO_CONTACT)"
    assert origin_of(settings, "snapshot", flags) == "default"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ASTRO_CATEGORY_RULE", "second"),
        ("ASTRO_GENERAL_SHARE", "1.5"),
        ("ASTRO_MAX_FORGETTING", "-1"),
        ("ASTRO_BLOCK_LENGTH", "many"),
        ("ASTRO_MODEL_NAME", "../x"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettingError, match=name.removeprefix("ASTRO_").lower()):
        load_settings()


def test_the_home_is_absolute_and_holds_mlflow_unless_a_server_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    assert load_settings().home == tmp_path / ".astro"
    assert load_settings().tracking_uri == f"sqlite:///{tmp_path}/.astro/mlflow/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    settings = load_settings()
    assert settings.tracking_uri == "http://localhost:5000"
    assert "MLFLOW_TRACKING_URI" in origin_of(settings, "mlflow_tracking_uri", {})
