from pathlib import Path

import pytest

from astro_assets.models.handle import ModelHandle

TRAINED, BASE = Path("adapters/ab12"), Path("bases/scratch")


@pytest.mark.parametrize(("method", "quantisation"), [("lora", None), ("qlora", "nf4")])
def test_an_adapter_stands_on_its_base_held_as_in_training(
    method: str, quantisation: str | None
) -> None:
    handle = ModelHandle.trained(
        "tuned", TRAINED, BASE, method=method, digest="t", quantisation=quantisation
    )
    assert handle == ModelHandle("tuned", BASE, TRAINED, "t", quantisation)


def test_a_whole_model_stands_for_itself() -> None:
    handle = ModelHandle.trained(
        "tuned", TRAINED, BASE, method="full", digest="t", quantisation=None
    )
    assert handle == ModelHandle("tuned", TRAINED, None, "t", None)
