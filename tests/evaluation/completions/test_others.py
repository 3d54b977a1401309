import json

import pytest

from astro_assets.errors import BadSettingError
from astro_assets.evaluation.completions.others import load_others


@pytest.fixture
def write(tmp_path):
    def write(*lines):
        path = tmp_path / "gpt-4.jsonl"
        path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
        return path

    return write


def test_several_models_in_one_file_are_matched_by_arxiv_id(write):
    found = load_others(
        write(
            {"id": "arXiv:0704.0044v2", "completion": " One. "},
            "",
            {"id": "0704.0044", "completion": "Two.", "model": "GPT-4"},
            {"id": "astro-ph/9204001", "completion": "", "model": "GPT-4"},
        )
    )
    assert found.of("0704.0044") == {"gpt-4": "One.", "GPT-4": "Two."}
    assert found.of("astro-ph/9204001") == {"GPT-4": ""}
    assert found.of("0704.0045") == {}
    assert found.counts(["0704.0044"]) == {"file": "gpt-4.jsonl", "n_matched": 2, "n_unmatched": 1}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not an object"),
        ({"completion": "x"}, "no id"),
        ({"id": 704.0044, "completion": "x"}, "no id"),
        ({"id": "v" * 81, "completion": "x"}, "no id"),
        ({"id": "arXiv:", "completion": "x"}, "no id"),
        ({"id": "1", "completion": ["x"]}, "no completion"),
        ({"id": "1", "completion": "x" * 20_001}, "no completion"),
        ('{"id": "1", "completion": "\\ud800"}', "no completion"),
        ({"id": "1", "completion": "x", "model": ""}, "no model's name"),
        ({"id": "1", "completion": "x", "model": "a\nb"}, "no model's name"),
        ({"id": "1", "completion": "x", "model": None}, "no model's name"),
        ({"id": "1", "completion": "x", "model": "tuned"}, "called 'tuned' like one of our own"),
        ({"id": "0v1", "completion": "x"}, "a second completion of that paper"),
    ],
)
def test_a_bad_line_is_named(write, line, why):
    path = write({"id": "0", "completion": "fine"}, line)
    with pytest.raises(BadSettingError, match=f"line 2: .*{why}"):
        load_others(path, taken={"tuned"})


def test_too_many_models_are_refused(write):
    lines = [{"id": "1", "completion": "x", "model": f"m{i}"} for i in range(13)]
    with pytest.raises(BadSettingError, match="line 13: more than 12 models"):
        load_others(write(*lines))


def test_files_that_cannot_be_used_are_refused(write, tmp_path):
    with pytest.raises(BadSettingError, match="no file of completions"):
        load_others(tmp_path / "none.jsonl")
    with pytest.raises(BadSettingError, match="holds no completion"):
        load_others(write("", ""))
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "1", "completion": "\xe9"}')
    with pytest.raises(BadSettingError, match="not UTF-8"):
        load_others(tmp_path / "latin.jsonl")
    with pytest.raises(BadSettingError, match="20,002 lines"):
        load_others(write("\n" * 20_001))
    with (tmp_path / "big.jsonl").open("wb") as file:
        file.truncate((32 << 20) + 1)
    with pytest.raises(BadSettingError, match="33,554,433 bytes"):
        load_others(tmp_path / "big.jsonl")
