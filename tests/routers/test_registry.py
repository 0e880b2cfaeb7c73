from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from routers import registry
from routers.errors import ConfigError
from routers.methods.constant import ConstantRouter
from routers.registry import BUILT_IN, make_router, router_class, router_names


def test_the_table_names_classes():
    assert set(BUILT_IN) <= set(router_names())
    for name in BUILT_IN:
        assert router_class(name).__name__.lower() == f"{name}router"


def test_unknown_router():
    with pytest.raises(ConfigError, match=r"no router 'kn'; did you mean 'knn'\?"):
        router_class("kn")


def test_parameters():
    assert make_router("knn", k=3).get_params()["k"] == 3
    with pytest.raises(ConfigError, match="it has: embedder, k, temperature, shrink"):
        make_router("knn", neighbours=3)


def test_outsiders_register_through_an_entry_point(monkeypatch):
    entry = EntryPoint("mine", "routers.methods.constant:ConstantRouter", registry.GROUP)

    def entry_points(**wanted):
        return EntryPoints([entry]).select(**wanted)

    monkeypatch.setattr(registry, "entry_points", entry_points)
    assert "mine" in router_names()
    assert router_class("mine") is ConstantRouter


def test_light_modules_stay_light():
    code = (
        "import sys, routers.config, routers.registry, routers.types, routers.gate, routers.base,"
        "routers.build, routers.training.train, routers.training.dataset;"
        "heavy = {'torch', 'sentence_transformers', 'transformers', 'sklearn', 'pyarrow', 'scipy'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
