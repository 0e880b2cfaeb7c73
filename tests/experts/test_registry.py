from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from experts.config import ExpertConfig, Settings
from experts.engines.scripted import ScriptedExpert
from experts.errors import ConfigError
from experts.registry import ENGINES, engine_class, engine_settings, make_expert, make_experts
from experts.testing import ask, read, text_of
from experts.wrappers import CircuitBroken, Fallback, Retrying, TimeLimited


def config(**keys: Any) -> ExpertConfig:
    return ExpertConfig(**{"engine": "scripted", **keys})


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_every_engine_has_settings(name: str) -> None:
    if name == "openai":
        pytest.importorskip("experts.engines.openai_http")
    assert issubclass(engine_class(name).Settings, Settings)


def test_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys, experts.registry as r; r.engine_class('transformers');"
        "r.engine_class('replay'); r.engine_class('scripted');"
        "sys.exit(bool({'torch', 'transformers', 'pyarrow', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_description_becomes_info() -> None:
    info = make_expert("a", config(skills=["law"], price_in=1.5, context_length=10)).info
    assert (info.name, info.skills, info.price_in, info.context_length) == ("a", ("law",), 1.5, 10)


@pytest.mark.parametrize(
    ("keys", "path", "hint"),
    [
        ({"engine": "transfomers"}, "a.engine", "'transformers'"),
        ({"engine": "transformers", "modle": "x"}, "a.modle", "'model'"),
        ({"engine": "transformers"}, "a.model", "required"),
        ({"replys": "x"}, "a.replys", "'replies'"),
        ({"fallbak": ["x"]}, "a.fallbak", "'fallback'"),
        ({"replies": []}, "a.replies", "empty"),
        ({"delay": -1}, "a.delay", "greater"),
    ],
)
def test_mistakes_name_the_path_and_the_way_out(keys: dict[str, Any], path: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint) as caught:
        make_expert("a", config(**keys))
    assert caught.value.path == path


def test_mistakes_in_common_keys_are_pydantics() -> None:
    with pytest.raises(ValidationError, match="price_in"):
        config(price_in=-1)
    with pytest.raises(ValidationError, match="attemps"):
        config(retry={"attemps": 3})


def test_wrapped_in_the_stated_order() -> None:
    expert = make_experts(
        {"a": config(retry={}, circuit={}, limits={"total": 5}, fallback=["b"]), "b": config()}
    )["a"]
    kinds = []
    while hasattr(expert, "inner"):
        kinds.append(type(expert))
        expert = expert.inner
    assert kinds == [Fallback, Retrying, CircuitBroken, TimeLimited]
    assert isinstance(expert, ScriptedExpert)


def test_without_configuration_only_a_hanging_expert_is_guarded_against() -> None:
    limited = make_expert("a", config())
    assert isinstance(limited, TimeLimited)
    assert isinstance(limited.inner, ScriptedExpert)
    none = {"first_token": None, "between_tokens": None}
    idle = config(retry={"attempts": 1}, limits=none)
    assert isinstance(make_expert("a", idle), ScriptedExpert)


def test_fallbacks_are_the_same_experts_in_any_order(run: Any) -> None:
    experts = make_experts(
        {
            "a": config(error="ExpertFailed", fallback=["b"]),
            "b": config(error="ExpertFailed", fallback=["c"]),
            "c": config(replies="from c"),
        }
    )
    assert list(experts) == ["a", "b", "c"]
    assert experts["a"].others[0] is experts["b"]  # type: ignore[attr-defined]
    chunks = run(read(experts["a"], ask()))
    assert text_of(chunks) == "from c"
    assert chunks[0].expert == "c"


def test_a_circle_of_fallbacks_is_shown() -> None:
    circle = {"a": config(fallback=["b"]), "b": config(fallback=["c"]), "c": config(fallback=["b"])}
    with pytest.raises(ConfigError, match="b -> c -> b"):
        make_experts(circle)


def test_an_unknown_fallback_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'claude'") as caught:
        make_experts({"a": config(fallback=["cloude"]), "claude": config()})
    assert caught.value.path == "a.fallback.0"


def test_engine_settings_can_be_checked_without_building() -> None:
    with pytest.raises(ConfigError, match="delays"):
        engine_settings(config(delays=1))
