"""From labelled prompts to a served decision, with the commands as a user types them."""

import json

import pytest
from typer.testing import CliRunner

from serving.cli import app

CONFIG = """
experts:
  numbers: {engine: scripted, replies: %s, price_in: 1, price_out: 1}
  words: {engine: scripted, replies: %s}
compositions:
  auto: {router: %s}
"""
COLOURS = ["red", "green", "blue", "white", "black", "brown", "pink", "grey", "gold", "teal"]


def prompts():
    sums = [(f"How much is {i} and {i + 1}?", str(2 * i + 1), "sums") for i in range(20)]
    opposites = [(f"Which colour is a {c} thing?", c, "colours") for c in COLOURS]
    return sums + opposites


@pytest.fixture
def project(tmp_path):
    rows = prompts()
    (tmp_path / "prompts.jsonl").write_text(
        "\n".join(
            json.dumps({"id": i, "source": s, "prompt": p, "answer": a})
            for i, (p, a, s) in enumerate(rows)
        )
    )
    numbers = json.dumps({p: a for p, a, s in rows if s == "sums"} | {"*": "?"})
    words = json.dumps({p: a for p, a, s in rows if s == "colours"} | {"*": "?"})
    (tmp_path / "before.yaml").write_text(CONFIG % (numbers, words, "{scores: {numbers: 0.6}}"))
    (tmp_path / "after.yaml").write_text(CONFIG % (numbers, words, "{artifact: router}"))
    return tmp_path


def run(*arguments, status=0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == status, (result.output, result.exception)
    return result


def as_json(*arguments):
    return json.loads(run(*arguments, "--json").stdout)


def trained(project, router="knn"):
    outcomes = project / "outcomes.parquet"
    config = project / "before.yaml"
    collected = as_json("collect", project / "prompts.jsonl", "--out", outcomes, "-c", config)
    result = as_json(
        *("train", "--outcomes", outcomes, "--router", router, "--out", project / "router"),
        *("--embedder", "hashing", "--cache", project / "cache"),
    )
    return collected, result


def test_collect_train_route_and_ask(project):
    collected, result = trained(project)
    assert collected["failed"] == 0
    assert collected["experts"]["numbers"]["quality"] == pytest.approx(20 / 30)
    assert result["router"] == "knn"
    assert not (project / "outcomes.parquet.journal").exists()

    config = project / "after.yaml"
    routed = as_json("route", "How much is 70 and 71?", "-c", config)
    assert routed["chosen"] == "numbers"
    assert set(routed["scores"]) == {"numbers", "words"}
    assert routed["neighbours"][0]["source"] == "sums"

    asked = as_json("ask", "Which colour is a teal thing?", "-c", config)
    assert (asked["answer"], asked["expert"], asked["composition"]) == ("teal", "words", "auto")
    assert asked["trace"]["scores"]["words"] > asked["trace"]["scores"]["numbers"]


def test_people_get_tables(project):
    trained(project, router="auto")
    config = project / "after.yaml"
    assert "chosen" in run("route", "How much is 2 and 2?", "-c", config).stdout
    assert "answered" in run("ask", "How much is 1 and 2?", "-c", config, "--explain").stdout
    assert "scripted" in run("experts", "-c", config).stdout
    evaluated = run("eval", project / "router", "--outcomes", project / "outcomes.parquet")
    assert "oracle" in evaluated.stdout


def test_eval_compares_routers_by_name(project):
    trained(project)
    rows = as_json(
        *("eval", "--outcomes", project / "outcomes.parquet", "--routers", "knn,linear,constant"),
        *("--embedder", "hashing", "--cache", project / "cache"),
    )
    assert [row["router"] for row in rows] == ["knn", "linear", "constant"]
    assert {"n", "quality", "best_single", "oracle", "gap_closed", "ece"} <= set(rows[0])


def test_a_second_collection_asks_nothing_that_is_known(project):
    outcomes = project / "outcomes.parquet"
    arguments = ("collect", project / "prompts.jsonl", "--out", outcomes)
    config = project / "before.yaml"
    assert as_json(*arguments, "-c", config, "--only", "words")["asked"] == 30
    again = as_json(*arguments, "-c", config)
    assert again["asked"] == 30
    assert {e["prompts"] for e in again["experts"].values()} == {30}


def test_an_artifact_of_other_experts_is_refused_with_the_command_that_retrains(project):
    trained(project)
    config = (project / "after.yaml").read_text().replace("  words:", "  phrases:")
    (project / "other.yaml").write_text(config)
    result = run("ask", "x", "-c", project / "other.yaml", status=1)
    message = str(result.exception)
    assert "other.yaml: compositions.auto.router" in message
    assert "coterie train" in message


@pytest.mark.parametrize(
    "arguments",
    [("eval", "--outcomes", "x"), ("eval", "a", "--outcomes", "x", "--routers", "knn")],
)
def test_eval_wants_an_artifact_or_names(arguments):
    assert "--routers" in run(*arguments, status=2).output
