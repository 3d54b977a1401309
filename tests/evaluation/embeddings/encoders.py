"""A tiny encoder in Hugging Face form, random weights."""

from pathlib import Path

import torch
from tokenizers import Tokenizer as FastTokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from tests.evaluation.planted import papers

POSITIONS = 64


def save_encoder(folder: Path) -> Path:
    words = sorted({w for text in papers(12)["text"] for w in text.split()})
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *words])}
    fast = FastTokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    fast.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=fast, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=POSITIONS,
    )
    BertModel(config).save_pretrained(folder)
    return folder
