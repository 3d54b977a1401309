"""What a training replays against forgetting: general papers of fields that are never measured.

One flat stream of whole documents, drawn from all months. What does not belong here: which fields
these are (fields), and where replayed blocks stand among the others (training).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.corpus.blocks import Stream
from astro_assets.corpus.documents import find_documents
from astro_assets.corpus.epochs import epoch_order
from astro_assets.errors import EmptyCorpusError


def write_replay(
    facts: Mapping[str, Any], folder: Path, out: Path, *, n_tokens: int, seed: int
) -> Stream:
    """Write the stream to replay as one ``.npy``, whole or not at all.

    Documents of the general train side, ``[BOS] text [EOS]`` as in their streams, in an order drawn
    from the seed over all of them, so that every month has its share. As few are taken as hold
    ``n_tokens``, and all where they hold fewer: a training that needs more repeats them.

    Args:
        facts: What ``build_token_blocks`` returned.
        folder: Of the streams.
        out: The file to write.
        n_tokens: Tokens that are wanted.
        seed: The recipe's. Equal streams, seed and number give equal bytes.

    Raises:
        EmptyCorpusError: no document may be replayed, or all together fill no block.
    """
    found = find_documents(facts, folder, field="general", side="train", role="replayed")
    n_found, block_length = int(found.n_tokens.sum()), int(facts["block_length"])
    if n_found < block_length:
        raise EmptyCorpusError(
            f"The {len(found):,} general train papers of fields that may be replayed have "
            f"{n_found:,} tokens.",
            expected=f"at least one block of {block_length}.",
            do="Materialise token_blocks of this release again if it is of an older version; else "
            "give a larger snapshot or general share, or a recipe without replay_fraction.",
        )
    drawn = found.at(epoch_order(len(found), seed=seed, epoch=0))
    wanted = max(n_tokens, block_length)
    n_taken = int(np.searchsorted(np.cumsum(drawn.n_tokens), wanted, side="left")) + 1
    tokens = drawn.at(np.arange(min(n_taken, len(drawn)))).read()
    with atomic.replacing(out) as temporary, temporary.open("wb") as handle:
        np.save(handle, tokens, allow_pickle=False)
    return Stream(out, len(tokens), fingerprint.of_file(out))
