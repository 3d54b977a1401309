"""Settings: environment and flags -> one validated, frozen object; each value's origin is known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from astro_assets.errors import BadSettingError


class Settings(BaseSettings):
    """Everything a person can set. Environment: the field's name with the prefix ``ASTRO_``."""

    model_config = SettingsConfigDict(
        env_prefix="ASTRO_",
        frozen=True,
        extra="forbid",
        env_ignore_empty=True,
        populate_by_name=True,
    )

    home: Path = Field(Path(".astro"), description="Folder that holds everything we write.")
    snapshot: str = Field(
        "synthetic:12000",
        description="Where arXiv comes from: a path (zip, gz, zst or plain JSON Lines), kaggle, "
        "kaggle:VERSION, oai, or synthetic:N.",
    )
    category_rule: Literal["any", "primary"] = Field(
        "any", description="astro-ph at any position of the categories, or only the first."
    )
    general_share: float | Literal["auto"] = Field(
        "auto", description="Share of non-astro papers kept; auto: 1.0 where the snapshot is small."
    )
    harvest: Literal["auto", "on", "off"] = Field(
        "auto", description="OAI-PMH harvest; auto: off for a local file or the generator."
    )
    oai_url: str = Field("https://oaipmh.arxiv.org/oai", description="OAI-PMH base URL.")
    contact: str = Field("", description="Mail address put into the harvester's User-Agent.")
    recipe: str = Field("smoke", description="Training recipe: a bundled name or a YAML path.")
    base_model: str = Field(
        "",
        description="Base model: scratch, a local folder, or a Hugging Face id; empty: the "
        "recipe's, else scratch.",
    )
    model_name: str = Field(
        "astrollama",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$",
        description="Registered model's name in MLflow.",
    )
    block_length: int = Field(512, ge=16, le=32_768, description="Tokens per block.")
    near_copies: Literal["leave_out", "keep"] = Field(
        "leave_out",
        description="Test texts that stand on the train side by half or more: leave_out of every "
        "evaluation, or keep.",
    )
    max_eval_tokens: int = Field(
        2_000_000,
        ge=1_000,
        description="Tokens of held-out astronomy that an evaluation reads; of every other set "
        "80,000 of them at most.",
    )
    prose: str = Field(
        "",
        description="Texts outside astronomy to measure forgetting on (JSONL with a text per line, "
        "or plain paragraphs); empty: none.",
    )
    embedding_share: float | Literal["auto"] = Field(
        "auto",
        description="Share of the test abstracts that embeddings are taken from, by hash; auto: "
        "0.15 of a whole arXiv, all of a smaller snapshot.",
    )
    embedding_abstracts: int = Field(
        10_000, ge=10, le=20_000, description="The first so many of them are compared."
    )
    baseline_encoder: str = Field(
        "",
        description="What similarities are compared with: a folder of a Hugging Face encoder, a "
        "file of vectors (npz or Parquet), or tf-idf; empty: MiniLM where its package is "
        "installed, else TF-IDF.",
    )
    vectors_file: str = Field(
        "",
        description="Another model's vectors of the same abstracts (npz or Parquet), compared "
        "beside ours and the baseline; empty: none.",
    )
    completion_abstracts: int = Field(
        16, ge=1, le=1_000, description="Test abstracts that the models continue."
    )
    completion_samples: int = Field(
        2, ge=1, le=100, description="Continuations of each abstract by each model."
    )
    completion_temperature: float = Field(
        0.3, ge=0, le=2, description="Temperature of the continuations; the paper's is 0.3."
    )
    max_new_tokens: int = Field(
        1_024, ge=8, le=1_024, description="Longest continuation of an abstract, in tokens."
    )
    completions_file: str = Field(
        "",
        description="Completions of the same abstracts by another model, to show beside ours "
        "(JSONL: id, completion, model); empty: none.",
    )
    questions: str = Field(
        "", description="Multiple-choice questions (JSONL or CSV); empty: the bundled ones."
    )
    other_questions: str = Field(
        "",
        description="Questions outside astronomy, to see what was forgotten there; empty: none.",
    )
    question_examples: int = Field(
        2, ge=0, le=20, description="Answered questions that stand before each one that is asked."
    )
    max_forgetting: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="Rise of perplexity over base on far abstracts that promotion allows.",
    )
    max_drift: float = Field(
        0.25,
        gt=0,
        le=10,
        description="Nats per token that promotion allows text sampled from the base to become "
        "less likely.",
    )
    knowledge_margin: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="Drop in question accuracy below base that counts as worse if shown.",
    )
    threads: int = Field(0, ge=0, description="CPU threads for torch; 0: one per core.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where models are trained; auto: on CUDA where there is a device."
    )
    devices: int = Field(
        0,
        ge=0,
        le=1_024,
        description="Training processes, one per device; 0: one per GPU, one on the CPU.",
    )
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = Field(
        "auto", description="Attention of the training; auto: the fastest that is installed."
    )
    loss: Literal["auto", "full", "chunked", "liger"] = Field(
        "auto",
        description="How training computes cross-entropy; auto: Liger on CUDA, else chunked.",
    )
    recompute: Literal["auto", "on", "off"] = Field(
        "auto", description="Compute activations again in the backward pass; auto: if memory asks."
    )
    dequantise: Literal["auto", "on", "off"] = Field(
        "auto", description="Hold a 4-bit base in bf16 while training; auto: where it fits."
    )
    micro_batch: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Blocks per forward pass of one device, at most; 0: as the recipe says.",
    )
    checkpoint_minutes: float = Field(
        10.0, gt=0, le=1_440, description="Minutes between checkpoints of a training."
    )
    trainer: Literal["here", "elsewhere"] = Field(
        "here",
        description="Where training runs: here, started by the asset, or elsewhere, by hand on "
        "another machine that sees the home.",
    )
    retrain_growth: float = Field(
        0.01,
        gt=0,
        le=10,
        description="Growth of training tokens since the champion that asks for retraining.",
    )
    retrain_months: int = Field(
        12, ge=1, le=1_200, description="Months since the champion after which it is retrained."
    )
    schedules: Literal["on", "off"] = Field("off", description="Whether schedules start running.")
    mlflow_tracking_uri: str = Field(
        "",
        validation_alias="MLFLOW_TRACKING_URI",
        description="MLflow server or store; empty: SQLite under the home.",
    )
    hf_token: SecretStr = Field(
        SecretStr(""),
        validation_alias="HF_TOKEN",
        description="Token for models of the Hugging Face hub that ask for one.",
    )
    force: bool = Field(False, description="Make again what is unchanged.")
    rebase: bool = Field(False, description="Bind an existing release to the present snapshot.")
    rebuild_base: bool = Field(False, description="Pretrain the scratch base again.")

    @field_validator("general_share", "embedding_share")
    @classmethod
    def _share_in_range(cls, value: float | str) -> float | str:
        if isinstance(value, float) and not 0 < value <= 1:
            raise ValueError("must lie in (0, 1] or be 'auto'")
        return value

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking URI: the ecosystem's variable, else SQLite under the home."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"


def load_settings(**flags: Any) -> Settings:
    """Read the environment, then lay the given flags over it (None means: not given).

    Raises:
        BadSettingError: a value cannot be used; names the setting, the value and the rule.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        raise BadSettingError(
            f"Setting {name!r} cannot be {str(first.get('input'))[:80]!r}.",
            expected=f"{first['msg']}.",
            do=f"Correct ASTRO_{name.upper()} or its flag; `astro-assets settings` lists them all.",
        ) from None


def without_password(uri: str) -> str:
    """Return a URI as it may be shown: the password in it, if any, hidden.

    >>> without_password("postgresql://me:secret@db:5432/mlflow")
    'postgresql://me:***@db:5432/mlflow'
    """
    return re.sub(r"(://[^:/@\s]*):[^\s]*@", r"\1:***@", uri)


def origin_of(settings: Settings, name: str, flags: dict[str, Any]) -> str:
    """Return where a setting's value came from: flag, environment, or default."""
    if flags.get(name) is not None:
        return "flag"
    if name in settings.model_fields_set:
        alias = Settings.model_fields[name].validation_alias
        return f"environment ({alias or f'ASTRO_{name.upper()}'})"
    return "default"
