"""``python -m bench.inflate FILE``: a snapshot's text to standard output, inflated by ISA-L."""

import sys
from pathlib import Path

from astro_assets.ingest.lines import open_text

with open_text(Path(sys.argv[1])) as text:
    while chunk := text.read(1 << 20):
        sys.stdout.buffer.write(chunk)
