"""The common recipe, written by itself: it imports nothing of the package it is compared with.

    python common_recipe.py TOKENIZER_FOLDER BLOCK_LENGTH OUT_FOLDER TABLE_FOLDER...

reads all Parquet files of a release's table with pyarrow, keeps the usable papers of one side,
orders them by month and id, cleans each abstract in a few lines of its own, tokenises it with
transformers' AutoTokenizer, adds BOS and EOS, puts everything end to end, cuts at BLOCK_LENGTH and
writes the blocks, (n, BLOCK_LENGTH) int32, as OUT_FOLDER/TABLE-SIDE.npy. Prints how many tokens
there were in all, a line each.
"""

import sys
import unicodedata
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from transformers import AutoTokenizer

CONTROLS = {code: " " for code in (*range(0x20), *range(0x7F, 0xA0), 0xFFFE, 0xFFFF)}


def clean(abstract: str) -> str:
    return " ".join(unicodedata.normalize("NFC", abstract).translate(CONTROLS).split())


def papers(files: list[Path], side: str) -> list[tuple[str, str, str]]:
    columns = ["submission_month", "id", "abstract", "side", "excluded_because"]
    found = []
    for file in files:
        for row in pq.read_table(file, columns=columns).to_pylist():
            if row["side"] == side and row["excluded_because"] is None:
                found.append((row["submission_month"], row["id"], row["abstract"]))
    return sorted(found)


def tokens_of(texts: list[str], tokenizer) -> list[int]:
    documents = []
    for start in range(0, len(texts), 1_000):
        encoded = tokenizer(
            texts[start : start + 1_000],
            add_special_tokens=False,
            split_special_tokens=True,  # "<s>" in a text is text
            return_attention_mask=False,
        )["input_ids"]
        documents += [[tokenizer.bos_token_id, *ids, tokenizer.eos_token_id] for ids in encoded]
    return list(chain.from_iterable(documents))


def main() -> None:
    tokenizer_folder, block_length, out, *tables = sys.argv[1:]
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder, local_files_only=True)
    n = int(block_length)
    for table in map(Path, tables):
        for side in ("train", "test"):
            usable = papers(sorted(table.glob("*.parquet")), side)
            tokens = tokens_of([clean(abstract) for _, _, abstract in usable], tokenizer)
            blocks = [tokens[start : start + n] for start in range(0, len(tokens) - n + 1, n)]
            array = np.array(blocks, dtype=np.int32).reshape(-1, n)
            np.save(Path(out) / f"{table.name}-{side}.npy", array)
            print(table.name, side, len(tokens))


if __name__ == "__main__":
    main()
