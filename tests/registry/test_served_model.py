import os
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from astro_assets.registry.download import download_model
from astro_assets.registry.tracking import Tracking
from astro_assets.registry.versions import ModelVersion, set_alias, version_at
from tests.registry.conftest import make_whole_model, register

PROMPTS = ["We present a survey of galaxies", "The model of the <s> plasma"]


@pytest.fixture(scope="module")
def served(registered: tuple[Tracking, ModelVersion]) -> Iterator[Any]:
    """The registered model, loaded as anybody would who has MLflow and the registry's address."""
    tracking, _ = registered
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(tracking.uri)
    yield mlflow.pyfunc.load_model("models:/astrollama@candidate")
    mlflow.set_tracking_uri(before)


def test_continuations_do_not_depend_on_neighbours_or_on_the_form_of_the_input(served: Any) -> None:
    import pandas

    params = {"max_new_tokens": 12, "seed": 7}
    both = served.predict(PROMPTS, params=params)
    assert [type(item) for item in both] == [str, str]
    assert served.predict(PROMPTS[::-1], params=params) == both[::-1]
    assert served.predict(PROMPTS[0], params=params) == both[:1]
    assert served.predict(pandas.DataFrame({"abstract": PROMPTS}), params=params) == both


def test_the_seed_decides(served: Any) -> None:
    at = lambda seed: served.predict(  # noqa: E731
        PROMPTS, params={"max_new_tokens": 24, "temperature": 2.0, "seed": seed}
    )
    assert at(1) == at(1)
    assert at(1) != at(2)


def test_it_generates_what_the_adapter_on_its_base_generates(
    served: Any, registered: tuple[Tracking, ModelVersion], tmp_path: Path
) -> None:
    """The independent way: peft and transformers by hand, greedily, token by token."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from astro_assets.corpus.tokenizer import Tokenizer

    found = download_model(*registered, tmp_path)
    tokenizer = Tokenizer.load(found.folder)
    base = AutoModelForCausalLM.from_pretrained(found.base_folder)
    model = PeftModel.from_pretrained(base, found.folder).eval()
    prompt = tokenizer.encode_batch(PROMPTS[:1])[0]
    ids = [tokenizer.bos_id, *prompt]
    with torch.inference_mode():
        for _ in range(8):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    expected = tokenizer.decode(ids[1:])[len(PROMPTS[0]) :]
    greedy = {"max_new_tokens": 8, "temperature": 0.0}
    assert served.predict(PROMPTS[:1], params=greedy) == [expected]


def test_a_text_longer_than_the_context_is_continued_from_its_end(served: Any) -> None:
    params = {"max_new_tokens": 4, "temperature": 0.0}
    long = " ".join(["We present a survey of galaxies."] * 400)
    assert served.predict([long], params=params) == served.predict([long[33:]], params=params)


@pytest.mark.parametrize(
    ("params", "message"),
    [({"max_new_tokens": 0}, "1 to 1024"), ({"max_new_tokens": 5000}, "1 to 1024"),
     ({"temperature": -1.0}, "0 to 10")],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(served: Any, params: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        served.predict(PROMPTS, params=params)


FRESH = """
    import sys
    import mlflow
    model = mlflow.pyfunc.load_model("models:/astrollama@candidate")
    print(len(model.predict(["We present a survey of"], params={"max_new_tokens": 6})))
    assert not [name for name in sys.modules if name.startswith("astro_assets")]
"""


def in_a_fresh_process(uri: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Predict where nothing of this project can be imported."""
    return subprocess.run(
        [sys.executable, "-I", "-c", textwrap.dedent(FRESH)],
        cwd=folder, env={**os.environ, "MLFLOW_TRACKING_URI": uri}, text=True,
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_it_predicts_in_a_fresh_process(
    registered: tuple[Tracking, ModelVersion], tmp_path: Path
) -> None:
    done = in_a_fresh_process(registered[0].uri, tmp_path)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real MLflow server that keeps the artifacts itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--backend-store-uri", f"sqlite:///{tmp_path / 'served.db'}",
        "--artifacts-destination", str(tmp_path / "kept"),
    ]  # fmt: skip
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=tmp_path, start_new_session=True
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/health", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, 15)
            process.wait(timeout=30)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            time.sleep(0.3)
    raise TimeoutError(url)


@pytest.mark.slow
def test_the_same_through_a_server(
    server: str, adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    tracking = Tracking(server)
    version = register(tracking, adapter, tiny_base)
    assert register(tracking, adapter, tiny_base).version == version.version
    assert set_alias(tracking, version, "champion").aliases == ("candidate", "champion")
    found = download_model(tracking, version, tmp_path / "fetched")
    assert found.folder.is_relative_to(tmp_path / "fetched" / "astrollama" / "1")
    weights = "adapter_model.safetensors"
    assert (found.folder / weights).read_bytes() == (adapter / weights).read_bytes()
    stamp = (found.folder / weights).stat()
    again = download_model(tracking, version, tmp_path / "fetched")
    assert again == found and (found.folder / weights).stat() == stamp, "fetched once"
    done = in_a_fresh_process(server, tmp_path)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    whole = make_whole_model(tmp_path / "whole")
    version = register(tracking, whole, tiny_base, fingerprint="b" * 64, method="full")
    found = download_model(tracking, version, tmp_path / "fetched")
    weights = "model.safetensors"
    assert (found.folder / weights).read_bytes() == (whole / weights).read_bytes()
    done = in_a_fresh_process(server, tmp_path)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


@pytest.mark.slow
def test_a_copy_of_another_registry_s_version_is_not_taken_for_this_one_s(
    server: str, adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    tracking, to = Tracking(server), tmp_path / "fetched"
    found = download_model(tracking, register(tracking, adapter, tiny_base), to)
    kept = to / "astrollama" / "1" / "fetched.json"
    kept.write_text(kept.read_text().replace('"from": "', '"from": "elsewhere-'))
    (found.folder / "adapter_model.safetensors").write_bytes(b"of another registry")
    again = download_model(tracking, version_at(tracking, "astrollama", "candidate"), to)
    weights = "adapter_model.safetensors"
    assert (again.folder / weights).read_bytes() == (adapter / weights).read_bytes()
