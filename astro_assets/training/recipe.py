"""Recipes: the YAML documents that say how to train, read into one frozen, validated object.

What the numbers do belongs to ``optimisation`` (rates, steps) and ``trainer`` (the adapter).
"""

from __future__ import annotations

import dataclasses
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from astro_assets.errors import BadSettingError, UnknownNameError
from astro_assets.training.optimisation import Optimisation, Precision

_MAX_BYTES = 100_000
_SUFFIXES = (".yaml", ".yml")

# YAML 1.1 reads 1e-3 as text; a number written as text is a number here.
Real = Annotated[float, Field(strict=False)]
Share = Annotated[float, Field(strict=False, ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class Recipe:
    """How an adapter is trained; defaults are the paper's (arXiv:2309.06126, section 2.2)."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    method: Literal["lora", "qlora"]
    """``qlora`` is LoRA on a base held in 4 bits."""
    learning_rate: Annotated[float, Field(strict=False, gt=0, le=1)]
    """At the end of the warm-up."""
    rank: Annotated[int, Field(ge=1, le=4096)]
    """r of the update (alpha / r) B A."""
    target_modules: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    """Names of the linear layers that get an update."""
    batch: Count
    """Blocks per optimiser step, over all devices and micro-batches."""
    micro_batch: Count
    """Blocks per forward pass."""
    epochs: Annotated[float, Field(strict=False, gt=0, le=1000)]
    """Passes over the astro training blocks, unless ``max_tokens`` ends it sooner."""
    max_tokens: Count | None = None
    """Bound on the tokens of the whole training, replayed ones included, or null."""
    quantisation: Literal["nf4"] | None = None
    alpha: Annotated[float, Field(strict=False, gt=0)] = 32
    dropout: Annotated[float, Field(strict=False, ge=0, lt=1)] = 0.05
    min_lr_ratio: Share = 0.1
    """Last learning rate, as a share of ``learning_rate``."""
    warmup_share: Share = 0.1
    """Share of the steps in which the rate rises from 0."""
    betas: Annotated[tuple[Share, Share], Field(strict=False)] = (0.9, 0.95)
    eps: Annotated[float, Field(strict=False, gt=0)] = 1e-5
    weight_decay: Share = 0.1
    clip: Annotated[float, Field(strict=False, gt=0)] = 1.0
    """Largest norm of the gradient."""
    replay_fraction: Annotated[float, Field(strict=False, ge=0, le=0.5)] = 0.0
    """Share of the training blocks taken from the general train side, against forgetting; the
    paper has none."""
    block_length: Annotated[int, Field(ge=16, le=32_768)] | None = None
    """Tokens per block; null: as the setting says."""
    precision: Precision = "fp32"
    """``bf16`` computes under autocast; the adapter's own weights stay fp32."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    cross_document_attention: Literal[True] = True
    """Tokens see earlier documents of their block, as in the paper; nothing else is offered."""

    def __post_init__(self) -> None:
        """Check what one field alone cannot tell."""
        if self.batch % self.micro_batch:
            raise ValueError("batch: must be a multiple of micro_batch")
        if (self.method == "qlora") != (self.quantisation is not None):
            raise ValueError("quantisation: must be nf4 with method qlora and null with lora")

    def optimisation(self, *, n_blocks: int, block_length: int) -> Optimisation:
        """Return steps and rates for ``n_blocks`` training blocks; at least one step.

        Only whole steps of ``batch`` blocks are made, so less than one step of blocks stays unseen.
        """
        n_wanted = int(self.epochs * n_blocks / (1 - self.replay_fraction))
        if self.max_tokens is not None:
            n_wanted = min(n_wanted, self.max_tokens // block_length)
        return Optimisation(
            n_steps=max(1, n_wanted // self.batch),
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

    def as_dict(self) -> dict[str, Any]:
        """Return every field as plain JSON values: for manifests, keys and recipe.json."""
        fields = dataclasses.asdict(self)
        return {**fields, "target_modules": [*self.target_modules], "betas": [*self.betas]}


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
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadSettingError(f"{where} is no YAML: {str(error)[:200]}") from None
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise BadSettingError(f"{where} is no recipe.", expected="a mapping of fields to values.")
    try:
        return Recipe(**document)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadSettingError(
            f"{where}: field {_field(first)} cannot be used: {first['msg'][:200]}.",
            expected=f"the fields {', '.join(field.name for field in dataclasses.fields(Recipe))}.",
            do="Correct the field; the bundled recipes explain each one.",
        ) from None


def _field(problem: Any) -> str:
    """Return which field a problem is about; rules over two fields name it in their message."""
    place = ".".join(str(part) for part in problem["loc"])
    given = problem.get("input")
    return f"{place!r} = {str(given)[:60]!r}" if place else "(two of them)"
