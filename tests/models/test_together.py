import torch

from astro_assets.models import together
from astro_assets.models.handle import ModelHandle
from astro_assets.models.loading import load_model
from tests.evaluation.planted import with_adapter

IDS = torch.tensor([[1, 20, 21, 22, 23]])


def logits(model):
    with torch.no_grad():
        return model(IDS).logits.clone()


def test_models_on_one_base_are_those_loaded_alone_and_the_base_is_read_once(
    tiny_base, tmp_path, monkeypatch
):
    for seed in (1, 2):
        with_adapter(tiny_base, seed=seed).save_pretrained(tmp_path / str(seed))
    models = {
        "tuned": ModelHandle("tuned", tiny_base, tmp_path / "1", "t", None),
        "base": ModelHandle("base", tiny_base, None, "b", None),
        "champion": ModelHandle("champion", tiny_base, tmp_path / "2", "c", None),
        "packed": ModelHandle("packed", tiny_base, None, "p", "nf4"),
    }
    alone = {label: logits(handle.load()) for label, handle in models.items()}
    reads = []

    def counted(folder, **given):
        reads.append(given["quantisation"])
        return load_model(folder, **given)

    monkeypatch.setattr(together, "load_model", counted)
    seen = {label: logits(model) for label, model in together.each_loaded(models)}
    assert list(seen) == ["base", "tuned", "champion", "packed"]
    assert reads == [None, "nf4"]
    assert all(torch.equal(seen[label], alone[label]) for label in models)
    assert not torch.equal(seen["base"], seen["tuned"])
    assert not torch.equal(seen["champion"], seen["tuned"])
