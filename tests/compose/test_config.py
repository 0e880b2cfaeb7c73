"""A bad configuration names the file, the path in it, and the nearest valid key."""

from pathlib import Path

import pytest

from compose.build import build_pipeline
from compose.config import Config, load_config
from compose.errors import ConfigError

GOOD = """
experts:
  a: {engine: scripted, replies: hello}
  b: {engine: scripted, skills: [x]}
compositions:
  auto: {router: {scores: {a: 0.9, b: 0.1}}, strategy: single}
"""


def write(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return path


def build(path):
    return build_pipeline(load_config(path, Config))


def test_a_config_of_five_lines_builds_a_pipeline(tmp_path):
    pipeline = build(write(tmp_path, GOOD))
    assert list(pipeline.experts) == ["a", "b"]
    assert pipeline.compositions["auto"].strategy.tries == 3


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("experts:", "expert:", ["expert", "'experts'"]),
        ("compositions:", "composition:", ["composition", "'compositions'"]),
        ("router:", "rooter:", ["compositions.auto", "'router'"]),
        ("scores:", "score:", ["compositions.auto.router", "'scores'"]),
        ("skills:", "skils:", ["experts.b", "skils", "'skills'"]),
        ("replies:", "reply:", ["experts.a", "'replies'"]),
        ("engine: scripted, r", "engine: scriptd, r", ["experts.a", "'scripted'"]),
        ("strategy: single", "strategy: singel", ["compositions.auto.strategy", "'single'"]),
        ("strategy: single", "strategy: {kind: single, trys: 2}", ["strategy.trys", "tries"]),
        ("{a: 0.9, b: 0.1}", "{a: 0.9, c: 0.1}", ["compositions.auto.router", "c"]),
        ("skills: [x]", "price_in: cheap", ["experts.b.price_in"]),
    ],
)
def test_a_mistake_is_named_with_its_place_and_the_way_out(tmp_path, old, new, words):
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        build(path)
    message = str(caught.value)
    missing = [word for word in [path.name, *words] if word not in message]
    assert not missing, message


def test_paths_are_relative_to_the_file(tmp_path):
    (tmp_path / "model").mkdir()
    path = write(
        tmp_path,
        "experts:\n"
        "  a: {engine: replay, path: answers.parquet}\n"
        "  b: {engine: transformers, model: model}\n"
        "  c: {engine: transformers, model: minis/facts}\n",
    )
    experts = build(path).experts
    assert experts["a"].inner.settings.path == tmp_path / "answers.parquet"
    assert experts["b"].inner.settings.model == str(tmp_path / "model")
    assert experts["c"].inner.settings.model == "minis/facts"


def test_a_composition_may_not_have_the_name_of_an_expert(tmp_path):
    path = write(tmp_path, GOOD.replace("  auto:", "  a:"))
    with pytest.raises(ConfigError, match=r"compositions\.a"):
        build(path)


@pytest.mark.parametrize("text", ["experts: [", "- a", "", "experts: {}", "\x00"])
def test_what_is_no_configuration_at_all_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match=r"c\.yaml"):
        load_config(write(tmp_path, text), Config)


def test_a_missing_file_is_named():
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load_config(Path("nowhere.yaml"), Config)
