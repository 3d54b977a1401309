import json
from pathlib import Path

import pytest

from astro_assets.errors import BadSettingError
from astro_assets.evaluation.forgetting import prose
from astro_assets.evaluation.forgetting.prose import read_prose


def test_json_lines_with_and_without_a_title(tmp_path: Path) -> None:
    path = tmp_path / "prose.jsonl"
    lines = [
        {"text": "  Once upon\n a time. ", "title": "A tale"},
        {"text": "Zwölf Äpfel.", "author": 3},
        {"text": "No title.", "title": None},
    ]
    path.write_text("\n\n".join(json.dumps(line) for line in lines))
    sample = read_prose(path)
    assert sample.ids == ("prose-1", "prose-3", "prose-5")
    assert sample.titles == ("A tale", "", "")
    assert sample.texts == ("Once upon a time.", "Zwölf Äpfel.", "No title.")
    assert sample.n_bytes == [17, 14, 9]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_paragraphs_are_parted_by_blank_lines(tmp_path: Path, end: str) -> None:
    path = tmp_path / "prose.txt"
    lines = ["", "First line", "and its second.", " \t", "", "Another.", "{not json}"]
    path.write_bytes(b"\xef\xbb\xbf" + end.join(lines).encode())
    sample = read_prose(path)
    assert sample.ids == ("prose-2", "prose-6")
    assert sample.texts == ("First line and its second.", "Another. {not json}")
    assert sample.titles == ("", "")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not an object"),
        ("{}", "no text"),
        ('{"text": 3}', "no text"),
        ('{"text": "  "}', "no text"),
        ('{"text": "\\ud800"}', "no text"),
        ('{"text": "a", "title": 3}', "title"),
        (json.dumps({"text": "a", "title": "t" * 501}), "title"),
        (json.dumps({"text": "a" * 100_001}), "100,001 characters"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "prose.jsonl"
    path.write_text('{"text": "good"}\n' + line + "\n")
    with pytest.raises(BadSettingError, match=r"line 2: .*" + why) as raised:
        read_prose(path)
    assert raised.value.expected and raised.value.do and len(str(raised.value)) < 1_000


def test_files_that_are_no_prose_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "prose.txt"
    with pytest.raises(BadSettingError, match="no file of prose"):
        read_prose(path)
    for nothing in ("", "\n \n\n", "\x00\n"):
        path.write_text(nothing)
        with pytest.raises(BadSettingError, match="holds no text"):
            read_prose(path)
    path.write_bytes(b"good\n\nb\xffd\n")
    with pytest.raises(BadSettingError, match="line 3: not UTF-8"):
        read_prose(path)
    path.write_text("a b\n" * 30_000)  # one paragraph
    with pytest.raises(BadSettingError, match=r"line 1: a text of 119,999 characters"):
        read_prose(path)
    monkeypatch.setattr(prose, "_MAX_TEXTS", 2)
    path.write_text("a\n\nb\n\nc\n")
    with pytest.raises(BadSettingError, match="line 5: more than 2 texts"):
        read_prose(path)
    monkeypatch.setattr(prose, "_MAX_BYTES", 3)
    with pytest.raises(BadSettingError, match="8 bytes"):
        read_prose(path)
