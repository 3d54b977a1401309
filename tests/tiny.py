"""A model folder small enough for unit tests: two layers, about 400 pieces, random weights."""

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE

SENTENCES = [
    "We present a survey of galaxies at high redshift with the new spectrograph.",
    "The star formation rate of the sample is measured from the infrared luminosity.",
    "We prove that every compact group of this kind has a finite representation.",
    "The model of the plasma explains the observed spectrum at low energy.",
]


def make_tiny_tokenizer(folder: Path, *, n_pieces: int = 400) -> None:
    """Write tokenizer.json and tokenizer_config.json of a Llama-like byte-fallback BPE."""
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    trained = Tokenizer(BPE(unk_token="<unk>", byte_fallback=True))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    trained.train_from_iterator(
        SENTENCES * 4,
        trainers.BpeTrainer(
            vocab_size=n_pieces,
            special_tokens=["<unk>", "<s>", "</s>", *bytes_],
            show_progress=False,
        ),
    )
    document = json.loads(trained.to_str())
    document["added_tokens"] = [t for t in document["added_tokens"] if t["id"] < 3]
    (folder / "tokenizer.json").write_text(json.dumps(document))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": "<s>",
                "eos_token": "</s>",
                "unk_token": "<unk>",
                "model_max_length": 256,
            }
        )
    )


def make_tiny_base(folder: Path, *, seed: int = 0) -> Path:
    """Write config, random weights and tokenizer into ``folder`` and return it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    make_tiny_tokenizer(folder)
    n_vocab = len(json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"])
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=n_vocab,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=256,
            tie_word_embeddings=True,
            bos_token_id=1,
            eos_token_id=2,
        )
    )
    model.save_pretrained(folder)
    return folder
