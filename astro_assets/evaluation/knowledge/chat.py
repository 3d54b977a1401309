"""Instruct models: a question in the model's own chat template, and the letter that is written.

The template comes with the model: it is rendered in the sandbox of transformers, and a long one, or
one that makes a long text, is refused. What it computes on the way is not bounded: models are
chosen by a person. A question's text is data: it cannot become one of the model's special tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError, BadSettingError
from astro_assets.evaluation.knowledge.prompts import chat_text
from astro_assets.evaluation.knowledge.question_files import LETTERS, Question
from astro_assets.evaluation.knowledge.reader import Reader
from astro_assets.models.sampling import sample_tokens

N_NEW_TOKENS = 16
"""Enough for "The correct answer is (B).\""""
_MAX_TEMPLATE_BYTES = 256 << 10
_MAX_RENDERED_CHARACTERS = 200_000
_BEFORE = (
    r"[\s*_\"'`]*(?:(?:the )?(?:(?:correct|right|best) )?(?:answer|option|choice)(?: is)?[\s:*]*)?"
)
_LETTER = re.compile(
    _BEFORE + r"[*_\"'`]*(?:"
    r"[\[(](?P<bracketed>[A-J])[\])]"
    r"|(?P<marked>[A-J])[*_\"'`]*(?:[):,\]]|\.(?![A-Z]\.)|\s*(?:\u2014|[-\u2013](?=\s)))"
    r"|(?P<alone>[A-J])[*_\"'`]*\s*(?:\n|$)"
    r")",
    re.IGNORECASE,
)
"""A letter in brackets or before one of ) . : , and a dash, whatever follows; or one that is all
there is. Before a blank and a word it may be an article ("A star is")."""
_ANOTHER = re.compile(
    r"[*_\"'`\s,/]*(?:(?:or|and)\s+)?[\[(]?[A-J](?:[\]),/]|\.?\s*$|\s+(?:or|and)\b)"
)
"""A second letter right behind the first: both are named, so neither is the answer."""


def chat_answers(reader: Reader, questions: Sequence[Question]) -> list[int | None] | None:
    """Return per question the index of the option a model names, None where it names none.

    Returns:
        None as a whole where the model has no chat template.

    Raises:
        BadModelError: the template cannot be used.
        BadSettingError: a question's options leave no room for an answer.
    """
    template = chat_template(reader.folder)
    if template is None:
        return None
    tokenizer = _chat_tokenizer(reader.folder)
    room = reader.max_positions - N_NEW_TOKENS
    prompts = [_fitting(template, question, tokenizer, room=room) for question in questions]
    total = float(len(prompts))
    with reader.progress.task(f"chat with {reader.label}", total=total, unit="questions") as task:
        made = sample_tokens(
            reader.model,
            prompts,
            [0] * len(prompts),
            n_new=N_NEW_TOKENS,
            temperature=0,
            eos_id=tokenizer.eos_id,
            advance=lambda n_questions, _n_tokens: task.advance(n_questions),
        )
    return [
        parsed_letter(_first_turn(ids, tokenizer), len(question.choices))
        for ids, question in zip(made, questions, strict=True)
    ]


def parsed_letter(text: str, n_options: int) -> int | None:
    """Return the index of the letter a text answers with; None where it is anything else.

    The letter must stand first, by itself or after "The answer is", and be set off from what
    follows: a word that begins a sentence, such as "A", is no answer, nor are two letters.

    >>> [parsed_letter(text, 4) for text in ("B", "(c) Io", "Answer: D) Io", "A star", "E", "A, B")]
    [1, 2, 3, None, None, None]
    """
    found = _LETTER.match(text)
    if found is None or _ANOTHER.match(text, found.end()):
        return None
    letter = found["bracketed"] or found["marked"] or found["alone"]
    index = LETTERS.index(letter.upper())
    return index if index < n_options else None


def chat_template(folder: Path) -> str | None:
    """Return a model's chat template: chat_template.jinja, or the one its tokenizer names.

    Raises:
        BadModelError: it is too long, or no text.
    """
    path = folder / "chat_template.jinja"
    if path.is_file():
        _refuse_long(path, path.stat().st_size)
        return path.read_text(encoding="utf-8", errors="replace")
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return None
    try:
        config = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise BadModelError(f"{path} is no JSON object.", expected="a tokenizer's configuration.")
    template = config.get("chat_template")
    if isinstance(template, list):
        named = {one.get("name"): one.get("template") for one in template if isinstance(one, dict)}
        template = named.get("default")
    if template is None:
        return None
    if not isinstance(template, str):
        raise BadModelError(f"{path}: chat_template is no text.")
    _refuse_long(path, len(template))
    return template


def _refuse_long(path: Path, n: int) -> None:
    if n > _MAX_TEMPLATE_BYTES:
        raise BadModelError(
            f"The chat template in {path} has {n:,} bytes.",
            expected=f"at most {_MAX_TEMPLATE_BYTES:,}.",
        )


def too_long_for_chat(
    folder: Path, questions: Sequence[Question], *, max_positions: int
) -> list[bool]:
    """Return per question whether its options leave no room in a chat; no chat, none is too long.

    Raises:
        BadModelError: the template cannot be used.
    """
    template = chat_template(folder)
    if template is None:
        return [False] * len(questions)
    tokenizer, room = _chat_tokenizer(folder), max_positions - N_NEW_TOKENS
    found = []
    for question in questions:
        try:
            _fitting(template, question, tokenizer, room=room)
        except BadSettingError:
            found.append(True)
        else:
            found.append(False)
    return found


def _chat_tokenizer(folder: Path) -> Tokenizer:
    """Return a tokenizer of its own: in a chat the template's special tokens are meant."""
    tokenizer = Tokenizer.load(folder)
    tokenizer.fast.encode_special_tokens = False
    return tokenizer


def _fitting(template: str, question: Question, tokenizer: Tokenizer, *, room: int) -> list[int]:
    """Return a question in the template as tokens; too long, it loses its beginning."""
    special = _special_texts(tokenizer)
    text = _harmless(question.text, special)
    choices = [_harmless(choice, special) for choice in question.choices]
    while True:
        ids = tokenizer.encode_batch([_rendered(template, chat_text(text, choices), tokenizer)])[0]
        if len(ids) <= room:
            return ids
        if not text:
            raise BadSettingError(
                f"The options of a question do not fit into the model's context with its chat "
                f"template: {question.text[:60]!r}.",
                expected=f"at most {room} tokens.",
                do="Shorten or remove that question.",
            )
        text = text[len(ids) - room :]


def _rendered(template: str, content: str, tokenizer: Tokenizer) -> str:
    """Return the template with one message of the user in it, and the assistant's turn begun."""
    # Needs jinja2, which is not everywhere a model is measured.
    from transformers.utils.chat_template_utils import render_jinja_template

    try:
        texts, _ = render_jinja_template(
            [[{"role": "user", "content": content}]],
            chat_template=template,
            add_generation_prompt=True,
            bos_token=tokenizer.fast.id_to_token(tokenizer.bos_id),
            eos_token=tokenizer.fast.id_to_token(tokenizer.eos_id),
        )
    except Exception as error:  # a template is a program of the model's own: it may do anything
        raise BadModelError(
            f"The model's chat template cannot be used ({type(error).__name__}: "
            f"{str(error)[:160]}).",
            expected="a template that takes one message of a user.",
        ) from error
    text = str(texts[0])
    if len(text) > _MAX_RENDERED_CHARACTERS:
        raise BadModelError(
            f"The model's chat template makes {len(text):,} characters of one question.",
            expected=f"at most {_MAX_RENDERED_CHARACTERS:,}.",
        )
    return text


def _first_turn(ids: Sequence[int], tokenizer: Tokenizer) -> str:
    """Return the text before the first special token: not all turns end with [EOS]."""
    added: dict[int, Any] = tokenizer.fast.get_added_tokens_decoder()
    end = next((i for i, token in enumerate(ids) if token in added and added[token].special), None)
    return tokenizer.decode(ids[:end])


def _special_texts(tokenizer: Tokenizer) -> list[str]:
    """Return the texts that would be read as one special token, the longest first."""
    added: dict[int, Any] = tokenizer.fast.get_added_tokens_decoder()
    texts = {str(token.content) for token in added.values() if len(token.content) > 1}
    return sorted(texts, key=lambda text: (-len(text), text))


def _harmless(text: str, special: Sequence[str]) -> str:
    """Return a text with a blank in what would be read as a special token.

    >>> _harmless("a </s> b", ["</s>"])
    'a < /s> b'
    """
    for token in special:
        text = text.replace(token, f"{token[0]} {token[1:]}")
    return text
