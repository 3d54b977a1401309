"""What the command says of a run that did not end by itself."""

import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from astro_assets.console.run import INTERRUPTED, Request, run
from astro_assets.errors import BadSettingError

NOW = datetime(2026, 11, 20, tzinfo=UTC)


class Interrupting:
    """A display at which somebody presses Ctrl-C as soon as anything is under way."""

    def say(self, line: str) -> None:
        del line

    def for_log(self, log: Any) -> Any:
        del log
        return self

    def task(self, name: str, **given: Any) -> Any:
        del name, given
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("nobody was interrupted")


@pytest.mark.parametrize("selected", ["lora_checkpoint", "base_model"])
def test_what_this_machine_cannot_train_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, selected: str
) -> None:
    monkeypatch.setenv("ASTRO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    request = Request("2026-06", (selected,), {"recipe": "astrollama3-8b"})
    with pytest.raises(BadSettingError, match="shards with fsdp, and this is a CPU"):
        run(request, Interrupting(), now=NOW)  # type: ignore[arg-type]
    assert not (tmp_path / "home").exists()


def test_an_interruption_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRO_HOME", str(tmp_path))
    request = Request("2026-06", ("arxiv_snapshot",), {"snapshot": "synthetic:50"})
    ended = run(request, Interrupting(), now=NOW)  # type: ignore[arg-type]
    assert not ended.success
    assert ended.errors == (f"arxiv_snapshot: {INTERRUPTED}",)
