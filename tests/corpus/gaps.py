"""A tokenizer of five words whose ids are far apart."""

import json
from pathlib import Path

from tokenizers import Tokenizer as FastTokenizer
from tokenizers import pre_tokenizers
from tokenizers.models import WordLevel

from astro_assets.corpus.tokenizer import Tokenizer

WORDS = {"<unk>": 0, "<s>": 1, "</s>": 2, "dark": 3, "star": 70_000}


def tokenizer_with_gaps(folder: Path) -> Tokenizer:
    """Write it to a folder and load it: 5 pieces, ids up to 70,000."""
    fast = FastTokenizer(WordLevel(WORDS, unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    fast.save(str(folder / "tokenizer.json"))
    special = {"bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(special))
    return Tokenizer.load(folder)
