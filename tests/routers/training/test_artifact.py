from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from routers.embed import HashingEmbedder
from routers.errors import ArtifactError
from routers.methods.knn import KnnRouter
from routers.training.artifact import HEADER, load_router, read_header, save_router
from routers.training.dataset import take_rows
from routers.types import Query

QUERIES = [Query("write a python function")]


@pytest.fixture
def saved(make_outcomes, tmp_path):
    router = KnnRouter(HashingEmbedder(64), k=5).fit(make_outcomes())
    save_router(
        router, "knn", tmp_path / "r", data={"rows": 60}, metrics={"quality": 0.5}, card="#"
    )
    return tmp_path / "r"


def refused(folder, match, **kwargs):
    with pytest.raises(ArtifactError, match=match) as caught:
        load_router(folder, **kwargs)
    assert f"coterie train --outcomes FILE --router knn --out {folder}" in str(caught.value)


def edit(folder, **changes):
    header = json.loads((folder / HEADER).read_text())
    (folder / HEADER).write_text(json.dumps({**header, **changes}))


def test_header(saved):
    header = read_header(saved)
    assert (header.format, header.router, header.experts) == (1, "knn", ("ada", "bob", "cyd"))
    assert (header.embedder, header.dim) == ("hashing:64", 64)
    assert header.params == {"embedder": "hashing:64", "k": 5, "temperature": 0.2, "shrink": 1.0}
    assert (header.data, header.metrics) == ({"rows": 60}, {"quality": 0.5})
    names = sorted(each.name for each in saved.iterdir())
    assert names == sorted([HEADER, "card.md", header.tensors])


def test_other_experts(saved):
    refused(
        saved, "knows nothing of dan and it was trained for cyd too", experts=["ada", "bob", "dan"]
    )
    refused(saved, "trained for cyd too", experts=["ada", "bob"])


def test_other_embedder(saved):
    refused(saved, "embedder hashing:64, not hashing:32", embedder=HashingEmbedder(32))


def test_shared_embedder(saved):
    embedder = HashingEmbedder(64)
    assert load_router(saved, embedder=embedder).embedder_ is embedder


def test_missing(tmp_path):
    refused(tmp_path / "nowhere", f"there is no {HEADER}")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"format": 2}, "format 2, this version reads 1"),
        ({"surprise": 1}, "damaged or of another version: surprise"),
        ({"experts": []}, "damaged or of another version: experts"),
        ({"experts": ["ada", "bob"]}, "tensors do not fit its header"),
        ({"params": {"k": 5, "q": 1}}, "no parameter q"),
        ({"params": {"k": 0}}, "k >= 1"),
        ({"params": {"k": "many"}}, "do not fit its header"),
        ({"router": "kmn"}, "did you mean 'knn'"),
        ({"tensors": "other.safetensors"}, "tensors cannot be read"),
        ({"tensors": "../../etc/passwd"}, "tensors cannot be read"),
    ],
)
def test_damaged_headers(saved, changes, match):
    edit(saved, **changes)
    with pytest.raises(ArtifactError, match=match) as caught:
        load_router(saved)
    assert "coterie train --outcomes FILE" in str(caught.value)


def test_truncated_header(saved):
    text = (saved / HEADER).read_text()
    for length in range(0, len(text), 40):
        (saved / HEADER).write_text(text[:length])
        refused(saved, "damaged")


def test_truncated_or_flipped_tensors(saved):
    path = saved / read_header(saved).tensors
    blob = path.read_bytes()
    for wrong in (b"", blob[:100], blob[:-1], blob[:-1] + bytes([blob[-1] ^ 1])):
        path.write_bytes(wrong)
        refused(saved, "SHA-256")


def test_a_save_that_fails_changes_nothing(saved, make_outcomes, monkeypatch):
    before = load_router(saved).score(QUERIES)
    other = KnnRouter(HashingEmbedder(64), k=1).fit(take_rows(make_outcomes(), np.arange(9)))

    def full(*args):
        raise OSError("no space left")

    monkeypatch.setattr("routers.training.artifact.os.replace", full)
    with pytest.raises(OSError, match="no space"):
        save_router(other, "knn", saved)
    monkeypatch.undo()
    np.testing.assert_array_equal(load_router(saved).score(QUERIES), before)
    assert not [each.name for each in saved.iterdir() if each.name.startswith(".")]


def test_readers_see_the_old_router_or_the_new_one(saved, make_outcomes):
    routers = [
        KnnRouter(HashingEmbedder(64), k=k).fit(take_rows(make_outcomes(), np.arange(9 + k)))
        for k in (1, 2)
    ]
    done = threading.Event()

    def save() -> None:
        for at in range(10):
            save_router(routers[at % 2], "knn", saved)
        done.set()

    writer = threading.Thread(target=save)
    writer.start()
    sizes = {9 + 1, 9 + 2, 60}
    while not done.is_set():
        try:
            assert len(load_router(saved).references_) in sizes
        except ArtifactError as exc:
            # Two saves may pass between a reader's header and its tensors.
            if "cannot be read" not in str(exc):
                raise
    writer.join()
    assert len(list(saved.glob("tensors-*"))) == 2
