"""Recipes: the YAML documents that say how to train, read into one frozen, validated object.

What the numbers do belongs to ``optimisation`` (rates, steps) and ``trainer`` (the weights); which
values one field may hold is in ``fields``. What the machine decides is ``runtime``'s.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from astro_assets.errors import BadSettingError, UnknownNameError
from astro_assets.training.fields import (
    choice,
    matching,
    names,
    or_null,
    pair,
    read_fields,
    real,
    refused_field,
    whole,
)
from astro_assets.training.optimisation import Optimisation, Precision
from astro_assets.training.plain_yaml import read_yaml

Method = Literal["lora", "qlora", "full"]

_MAX_BYTES = 100_000
_SUFFIXES = (".yaml", ".yml")
_DO = "Correct the field; the bundled recipes explain each one."
# The paper's (section 2.2), for adapters that do not say otherwise.
_ALPHA, _DROPOUT = 32.0, 0.05


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained; defaults are the paper's (arXiv:2309.06126, section 2.2).

    Raises:
        BadSettingError: a field has a value that cannot be used, or two contradict each other.
    """

    name: str = field(
        metadata=matching(
            r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "a name of letters, digits, dot, dash and underline"
        )
    )
    base: str | None = field(
        default=None,
        metadata=or_null(matching(r"\S(.{0,498}\S)?", "a hub id as org/name@commit, or a folder")),
    )
    """Base model this recipe is for: hub id at a commit, or a folder; null: a setting says it."""
    method: Method = field(metadata=choice("lora", "qlora", "full"))
    """``qlora`` is LoRA on a base held in 4 bits; ``full`` moves every weight of the base."""
    quantisation: Literal["nf4"] | None = field(default=None, metadata=or_null(choice("nf4")))
    rank: int | None = field(default=None, metadata=or_null(whole(least=1, most=4096)))
    """r of the update (alpha / r) B A; null with ``full``."""
    alpha: float | None = field(default=None, metadata=or_null(real(above=0)))
    """Null: 32, the paper's, for adapters."""
    dropout: float | None = field(default=None, metadata=or_null(real(least=0, below=1)))
    """Share of an update's inputs set to zero; null: 0.05, the paper's, for adapters."""
    target_modules: tuple[str, ...] | None = field(default=None, metadata=or_null(names()))
    """Names of the linear layers that get an update; null with ``full``."""
    learning_rate: float = field(metadata=real(above=0, most=1))
    """At the end of the warm-up."""
    min_lr_ratio: float = field(default=0.1, metadata=real(least=0, most=1))
    """Last learning rate, as a share of ``learning_rate``."""
    warmup_share: float = field(default=0.1, metadata=real(least=0, most=1))
    """Share of the steps in which the rate rises from 0."""
    betas: tuple[float, float] = field(default=(0.9, 0.95), metadata=pair(real(least=0, below=1)))
    eps: float = field(default=1e-5, metadata=real(above=0))
    weight_decay: float = field(default=0.1, metadata=real(least=0, most=1))
    clip: float = field(default=1.0, metadata=real(above=0))
    """Largest norm of the gradient."""
    batch: int = field(metadata=whole(least=1, most=1_000_000))
    """Blocks per optimiser step, over all devices and micro-batches."""
    micro_batch: int = field(metadata=whole(least=1, most=1_000_000))
    """Blocks per forward pass of one device, at most; fewer where memory is short."""
    block_length: int | None = field(default=None, metadata=or_null(whole(least=16, most=32_768)))
    """Tokens per block; null: as the setting says."""
    epochs: float = field(metadata=real(above=0, most=1000))
    """Passes over the astro training blocks, unless ``max_tokens`` ends it sooner."""
    max_tokens: int | None = field(default=None, metadata=or_null(whole(least=1)))
    """Bound on the tokens of the whole training, replayed ones included, or null."""
    init_from: Literal["base", "champion"] = field(
        default="base", metadata=choice("base", "champion")
    )
    """Where the trained weights begin: at the base, or at the present champion."""
    replay_fraction: float = field(default=0.0, metadata=real(least=0, most=0.5))
    """Share of the training blocks taken from the general train side, against forgetting; the
    paper has none."""
    early_stopping: int | None = field(default=None, metadata=or_null(whole(least=1)))
    """Held-out measurements without a new best on astronomy after which training ends; null: off,
    for validation loss can rise before it falls again (arXiv:2211.09085)."""
    evaluations: int = field(default=10, metadata=whole(least=0, most=1000))
    """Held-out measurements spread over the run, beside those at its start, at each epoch's end and
    at its end."""
    heldout_tokens: int = field(default=100_000, metadata=whole(least=1_000, most=10**9))
    """Text tokens of each field that a held-out measurement reads, at most."""
    precision: Precision = field(default="fp32", metadata=choice("bf16", "fp32", "auto"))
    """``bf16`` computes under autocast, trained weights stay fp32; ``auto``: bf16 on a GPU that
    has it."""
    sharding: Literal["fsdp"] | None = field(default=None, metadata=or_null(choice("fsdp")))
    """``fsdp`` splits weights, gradients and optimiser over the GPUs; null: each holds them all."""
    min_devices: int = field(default=1, metadata=whole(least=1, most=4096))
    """GPUs below which this recipe is not begun."""
    seed: int = field(default=0, metadata=whole(least=0, most=2**31 - 1))
    cross_document_attention: Literal[True] = field(default=True, metadata=choice(True))
    """Tokens see earlier documents of their block, as in the paper; nothing else is offered."""

    def __post_init__(self) -> None:
        """Read each field by its rule, then check what one field alone cannot tell."""
        read_fields(self, do=_DO)
        if self.method != "full":
            object.__setattr__(self, "alpha", _ALPHA if self.alpha is None else self.alpha)
            object.__setattr__(self, "dropout", _DROPOUT if self.dropout is None else self.dropout)
        for name, is_wrong, rule in self._rules():
            if is_wrong:
                raise refused_field(name, getattr(self, name), allowed=rule, do=_DO)

    def _rules(self) -> list[tuple[str, bool, str]]:
        """Return the rules over two fields: the field to blame, whether it breaks it, the rule."""
        is_full, is_4_bit = self.method == "full", self.quantisation is not None
        adapter = ("rank", "alpha", "dropout", "target_modules")
        return [
            ("batch", self.batch % self.micro_batch != 0, "a multiple of micro_batch"),
            (
                "quantisation",
                (self.method == "qlora") != is_4_bit,
                "nf4 with method qlora and null with lora and full",
            ),
            *(
                (name, is_full and getattr(self, name) is not None, "null with method full")
                for name in adapter
            ),
            *(
                (name, not is_full and getattr(self, name) is None, "given with lora and qlora")
                for name in ("rank", "target_modules")
            ),
            (
                "min_devices",
                self.sharding is not None and self.min_devices < 2,
                "at least 2 with sharding fsdp: on one device nothing is split",
            ),
            (
                "early_stopping",
                self.sharding is not None and self.early_stopping is not None,
                "null with sharding fsdp: the best weights are not gathered on the way",
            ),
        ]

    def optimisation(self, *, n_blocks: int, block_length: int) -> Optimisation:
        """Return steps and rates for ``n_blocks`` training blocks.

        Only whole steps of ``batch`` blocks are made, so less than one step of blocks stays unseen.

        Raises:
            BadSettingError: all that is asked for is less than one step.
        """
        n_wanted = int(self.epochs * n_blocks / (1 - self.replay_fraction))
        if self.max_tokens is not None:
            n_wanted = min(n_wanted, self.max_tokens // block_length)
        if n_wanted < self.batch:
            raise BadSettingError(
                f"Recipe {self.name} asks for {n_wanted:,} blocks of {block_length:,} tokens "
                f"(max_tokens: {self._max_tokens_shown()}, epochs: {self.epochs:g} over "
                f"{n_blocks:,} blocks), less than one step.",
                expected=f"at least the {self.batch:,} blocks of a batch, "
                f"{self.batch * block_length:,} tokens.",
                do="Take a smaller batch, more epochs or more max_tokens in a recipe of your own, "
                "or more papers.",
            )
        return Optimisation(
            n_steps=n_wanted // self.batch,
            batch=self.batch,
            micro_batch=self.micro_batch,
            learning_rate=self.learning_rate,
            min_lr_ratio=self.min_lr_ratio,
            warmup_share=self.warmup_share,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
            clip=self.clip,
            precision=self.precision,
            seed=self.seed,
            replay_fraction=self.replay_fraction,
        )

    def _max_tokens_shown(self) -> str:
        return "null" if self.max_tokens is None else f"{self.max_tokens:,}"

    def as_dict(self) -> dict[str, Any]:
        """Return every field as plain JSON values: for manifests, keys and recipe.json."""
        plain = dataclasses.asdict(self)
        return {name: [*v] if isinstance(v, tuple) else v for name, v in plain.items()}


def recipe_names() -> list[str]:
    """Return the names of the bundled recipes."""
    bundled = files(__package__).joinpath("recipes").iterdir()
    return sorted(
        path.name.removesuffix(".yaml") for path in bundled if path.name.endswith(".yaml")
    )


def load_recipe(name_or_path: str) -> Recipe:
    """Read a bundled recipe by name, or any recipe by the path of its YAML file.

    Raises:
        UnknownNameError: no such recipe; names the ones there are.
        BadSettingError: the document is no recipe; names the field.
    """
    if name_or_path in recipe_names():
        document = files(__package__).joinpath("recipes", f"{name_or_path}.yaml")
        return parse_recipe(document.read_text(encoding="utf-8"), where=f"recipe {name_or_path}")
    path = Path(name_or_path).expanduser()
    if path.suffix not in _SUFFIXES or not path.is_file():
        raise UnknownNameError(
            f"There is no recipe {name_or_path[:200]!r}.",
            expected=f"one of {', '.join(recipe_names())}, or the path of a .yaml file.",
        )
    if path.stat().st_size > _MAX_BYTES:
        raise BadSettingError(f"{path} is larger than a recipe.", expected="at most 100 kB.")
    try:
        return parse_recipe(path.read_text(encoding="utf-8"), where=str(path))
    except UnicodeDecodeError as error:
        raise BadSettingError(f"{path} is no text ({error.reason}).", expected="UTF-8.") from None


def parse_recipe(text: str, *, where: str) -> Recipe:
    """Read a recipe from its YAML text; ``where`` is named in errors.

    Raises:
        BadSettingError: no YAML, no mapping, an unknown or missing field, or a wrong value.
    """
    document = read_yaml(text, where=where)
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise BadSettingError(f"{where} is no recipe.", expected="a mapping of fields to values.")
    _refuse_other_fields(document, where)
    try:
        return Recipe(**document)
    except BadSettingError as error:
        raise BadSettingError(
            f"{where}: {error.found}", expected=error.expected, do=error.do
        ) from None


def _refuse_other_fields(document: dict[str, Any], where: str) -> None:
    """Refuse fields that a recipe does not have, and the lack of those it must have."""
    known = dataclasses.fields(Recipe)
    needed = [one.name for one in known if one.default is dataclasses.MISSING]
    unknown = [name for name in document if name not in {one.name for one in known}]
    missing = [name for name in needed if name not in document]
    if unknown or missing:
        words = (
            f"field {unknown[0][:60]!r} is unknown"
            if unknown
            else f"field {missing[0]!r} is missing"
        )
        raise BadSettingError(
            f"{where}: {words}.",
            expected=f"the fields {', '.join(one.name for one in known)}.",
            do=_DO,
        )
