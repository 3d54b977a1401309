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
        ("ASTRO_DEVICE", "tpu"),
        ("ASTRO_DEVICES", "-1"),
        ("ASTRO_ATTENTION", "flash"),
        ("ASTRO_LOSS", "fused"),
        ("ASTRO_CHECKPOINT_MINUTES", "0"),
        ("ASTRO_TRAINER", "there"),
        ("ASTRO_RETRAIN_GROWTH", "0"),
        ("ASTRO_RETRAIN_MONTHS", "0"),
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


def test_the_hubs_token_is_read_and_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    settings = load_settings()
    assert settings.hf_token.get_secret_value() == "hf_secret"
    assert "secret" not in f"{settings} {settings!r} {settings.hf_token}"
    assert "HF_TOKEN" in origin_of(settings, "hf_token", {})


def test_what_a_training_is_told_can_be_told_by_every_setting():
    from astro_assets.training.runtime import Runtime

    settings = load_settings()
    for name, told in Runtime().as_dict().items():
        assert getattr(settings, "devices" if name == "n_processes" else name) == told
