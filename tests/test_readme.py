"""What the README shows is what happens."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.server import running_server
from compose.build import build_pipeline
from serving.cli import app
from serving.config import load

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_configuration_builds(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
    (example,) = blocks("yaml")
    path = tmp_path / "my.yaml"
    path.write_text(example)
    pipeline = build_pipeline(load(path))
    assert list(pipeline.experts) == ["small", "large"]
    assert list(pipeline.compositions) == ["auto"]


def test_the_client_gets_what_the_comments_say(capsys):
    (example,) = blocks("python")
    wanted = re.findall(r"# (.*)", example)
    with running_server("configs/minis.yaml") as server:
        exec(example.replace("http://127.0.0.1:8000", server.url), {})  # our own README
    assert capsys.readouterr().out.split() == wanted


def commands():
    lines = [line.partition("  #")[0] for block in blocks("bash") for line in block.splitlines()]
    return [line for line in lines if "coterie " in line]


@pytest.mark.parametrize("line", commands())
def test_the_commands_exist_with_these_options(line):
    words = shlex.split(line)[1:]
    options = [word for word in words if word.startswith("--")]
    text = CliRunner().invoke(app, [words[0], "--help"]).output
    assert "Usage" in text
    assert not [option for option in options if option not in text]


def test_every_linked_page_is_there():
    links = re.findall(r"\]\(((?!http)[^)#]+)\)", README)
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]
