"""A trained router on disk: a folder that can be read by anyone and runs nothing.

::

    DIR/router.json               header: what it is, of whom, trained on what, how good
    DIR/tensors-<hash>.safetensors  what was learned
    DIR/card.md                   the header for people

``router.json`` names the tensors and their SHA-256, and is replaced last and at once: a reader sees
the old router or the new one, never a mixture, and a save that was cut off changes nothing.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as dump_tensors

from routers.base import EmbeddingRouter, TrainableRouter
from routers.embed import Embedder, make_embedder
from routers.errors import ArtifactError, ConfigError
from routers.registry import make_router

__all__ = ["FORMAT", "HEADER", "Header", "load_router", "read_header", "save_router"]

FORMAT = 1
HEADER = "router.json"


class Header(BaseModel):
    """What is known of a trained router without loading it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    router: str = Field(description="its name in the registry")
    params: dict[str, Any]
    experts: tuple[str, ...] = Field(min_length=1)
    embedder: str | None
    dim: int | None
    data: dict[str, Any] = Field(default_factory=dict, description="hash, rows, sources")
    metrics: dict[str, Any] = Field(default_factory=dict)
    created: str
    tensors: str
    sha256: str


def save_router(
    router: TrainableRouter,
    name: str,
    folder: Path | str,
    *,
    data: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
    card: str = "",
) -> Header:
    """Write a fitted router; whoever reads the folder meanwhile gets the old one, whole.

    Parameters
    ----------
    name : the router's name in the registry
    data, metrics : go into the header as they are; must be what JSON can hold
    card : text of ``card.md``; empty writes none
    """
    folder = Path(folder)
    blob = dump_tensors({key: value.copy() for key, value in router.state().items()})
    digest = hashlib.sha256(blob).hexdigest()
    params = router.get_params()
    embedder, dim = None, None
    if isinstance(router, EmbeddingRouter):
        embedder, dim = router.embedder_.name, router.dim_
    if "embedder" in params and not isinstance(params["embedder"], str):
        params["embedder"] = params["embedder"].name
    header = Header(
        router=name,
        params=params,
        experts=router.experts_,
        embedder=embedder,
        dim=dim,
        data=data or {},
        metrics=metrics or {},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        tensors=f"tensors-{digest[:16]}.safetensors",
        sha256=digest,
    )
    folder.mkdir(parents=True, exist_ok=True)
    # The predecessor's tensors stay: somebody may have read its header a moment ago.
    kept = {header.tensors, *_tensors_of(folder)}
    _write(folder / header.tensors, blob)
    if card:
        _write(folder / "card.md", card.encode("utf-8", "replace"))
    text = header.model_dump_json(indent=2)
    _write(folder / HEADER, text.encode())
    for old in folder.glob("tensors-*.safetensors"):
        if old.name not in kept:
            old.unlink(missing_ok=True)
    return Header.model_validate_json(text)


def _tensors_of(folder: Path) -> list[str]:
    try:
        return [read_header(folder).tensors]
    except ArtifactError:
        return []


def read_header(folder: Path | str) -> Header:
    """The header alone, without loading the router. Raises :class:`ArtifactError`."""
    folder = Path(folder)
    try:
        raw = (folder / HEADER).read_bytes()
    except FileNotFoundError as exc:
        raise _refusal(folder, f"there is no {HEADER}") from exc
    except OSError as exc:
        raise _refusal(folder, f"{HEADER} cannot be read: {exc}") from exc
    try:
        found = Header.model_validate_json(raw)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise _refusal(
            folder, f"{HEADER} is damaged or of another version: {where}: {first['msg']}"
        ) from exc
    if found.format != FORMAT:
        raise _refusal(folder, f"it has format {found.format}, this version reads {FORMAT}", found)
    return found


def load_router(
    folder: Path | str,
    *,
    experts: Sequence[str] | None = None,
    embedder: Embedder | None = None,
    device: str | None = None,
) -> TrainableRouter:
    """Load a trained router; the embedder's model is loaded at its first use, or by ``warm()``.

    Parameters
    ----------
    experts : the experts that it must have been trained for, in any order; None takes any
    embedder : share this one; it must be the one that the router was trained with
    device : torch device of the embedder that is built where none is given

    Raises
    ------
    ArtifactError : missing, damaged, of another version, or trained for other experts or another
        embedder; the message holds the command that trains it again
    """
    folder = Path(folder)
    header = read_header(folder)
    _check_experts(folder, header, experts)
    if embedder is not None and header.embedder not in (None, embedder.name):
        raise _refusal(
            folder,
            f"it was trained with the embedder {header.embedder}, not {embedder.name}",
            header,
        )
    params = dict(header.params)
    if header.embedder is not None:
        params["embedder"] = embedder or make_embedder(header.embedder, device)
    blob = _tensors(folder, header)
    try:
        router = make_router(header.router, **params)
        return router.restore(header.experts, load_tensors(blob))
    except ConfigError as exc:
        raise _refusal(folder, str(exc), header) from exc
    except (SafetensorError, KeyError, TypeError, ValueError) as exc:
        raise _refusal(folder, f"its tensors do not fit its header: {exc!r}", header) from exc


def _check_experts(folder: Path, header: Header, experts: Sequence[str] | None) -> None:
    if experts is None or set(experts) == set(header.experts):
        return
    missing = sorted(set(experts) - set(header.experts))
    extra = sorted(set(header.experts) - set(experts))
    parts = []
    if missing:
        parts.append(f"it knows nothing of {', '.join(missing)}")
    if extra:
        parts.append(f"it was trained for {', '.join(extra)} too")
    raise _refusal(
        folder, "its experts are not those of the configuration: " + " and ".join(parts), header
    )


def _tensors(folder: Path, header: Header) -> bytes:
    try:
        blob = (folder / Path(header.tensors).name).read_bytes()
    except OSError as exc:
        raise _refusal(folder, f"its tensors cannot be read: {exc}", header) from exc
    if hashlib.sha256(blob).hexdigest() != header.sha256:
        raise _refusal(folder, f"{header.tensors} is damaged (its SHA-256 differs)", header)
    return blob


def _refusal(folder: Path, why: str, header: Header | None = None) -> ArtifactError:
    router = header.router if header else "knn"
    return ArtifactError(
        f"the router in {folder} cannot be used: {why}. Train it again: "
        f"coterie train --outcomes FILE --router {router} --out {folder}"
    )


def _write(path: Path, content: bytes) -> None:
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        Path(aside).chmod(0o644)
        os.replace(aside, path)
    finally:
        Path(aside).unlink(missing_ok=True)
    where = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(where)
    finally:
        os.close(where)
