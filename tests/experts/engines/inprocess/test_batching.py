"""The batch, stepped by hand: nothing here waits for a thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from experts.config import Settings
from experts.engines.inprocess.batching import Batcher, Job
from experts.engines.inprocess.detokenize import Vocabulary
from experts.engines.inprocess.loading import Loaded, find_model, load
from experts.engines.inprocess.sampling import Sampling
from experts.engines.inprocess.slots import SlotRows, SoloRows
from experts.engines.transformers_engine import TransformersSettings
from experts.errors import ConfigError
from experts.testing import text_of
from experts.types import Chunk

PROMPTS = [[(i * 7 + k * 11) % 250 for i in range(3 + 6 * k)] for k in range(6)]
GREEDY = Sampling(temperature=0.0)
WARM = Sampling(temperature=1.2, top_p=0.95, top_k=50)


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def loaded(models: dict[str, Path]) -> dict[str, Loaded]:
    return {
        name: load(TransformersSettings(model=str(folder)), None) for name, folder in models.items()
    }


def batcher(loaded: Loaded, **changes: Any) -> Batcher:
    bounds: dict[str, Any] = {"max_rows": 8, "cache_tokens": 10**6, "prefill_tokens": 16}
    bounds |= changes
    rows = type(loaded.rows)(loaded.model, bounds["max_rows"], loaded.context_length) if isinstance(
        loaded.rows, SlotRows
    ) else loaded.rows  # fmt: skip
    return Batcher(rows, Vocabulary(loaded.tokenizer), frozenset(), **bounds)


class Answer:
    """Collects what a job sends."""

    def __init__(self, prompt: list[int], sampling: Sampling = GREEDY, **fields: Any) -> None:
        self.items: list[Any] = []
        fields.setdefault("max_tokens", 12)
        self.job = Job(prompt, sampling=sampling, send=self.items.append, **fields)

    @property
    def chunks(self) -> list[Chunk]:
        return [item for item in self.items if isinstance(item, Chunk)]

    @property
    def done(self) -> bool:
        return bool(self.items) and self.items[-1].usage is not None

    def text(self, index: int = 0) -> str:
        return text_of(self.chunks, index)


def finish(batch: Batcher, limit: int = 2000) -> None:
    for _ in range(limit):
        if not batch.step():
            return
    raise AssertionError("the batch never came to an end")


def alone(loaded: Loaded, prompt: list[int], tokens: int = 12) -> str:
    """What `generate` says, decoded as the batch decodes."""
    ids = torch.tensor([prompt])
    config = {"max_new_tokens": tokens, "do_sample": False, "eos_token_id": [], "pad_token_id": 0}
    out = loaded.model.generate(ids, attention_mask=torch.ones_like(ids), **config)
    stream = Vocabulary(loaded.tokenizer).stream()
    return "".join(stream.feed(t) for t in out[0, len(prompt) :].tolist()) + stream.flush()


@pytest.mark.parametrize("name", ["llama", "olmoe", "gemma", "mamba"])
def test_greedy_in_a_ragged_batch_equals_generate_alone(
    loaded: dict[str, Loaded], name: str
) -> None:
    model = loaded[name]
    assert isinstance(model.rows, SoloRows if name == "mamba" else SlotRows)
    batch = batcher(model)
    answers = []
    for k, prompt in enumerate(PROMPTS):  # join one after another, while others are running
        answers.append(Answer(prompt, max_tokens=12 - k))
        batch.submit(answers[-1].job)
        batch.step()
    finish(batch)
    for k, (prompt, answer) in enumerate(zip(PROMPTS, answers, strict=True)):
        assert answer.text() == alone(model, prompt, 12 - k)
        assert answer.chunks[-1].finish_reason == "length"


def test_a_seeded_answer_does_not_depend_on_its_neighbours(loaded: dict[str, Loaded]) -> None:
    def seeded() -> Answer:
        return Answer(PROMPTS[2], WARM, seed=7, n=2, max_tokens=20)

    quiet, lively = batcher(loaded["olmoe"]), batcher(loaded["olmoe"])
    one, two = seeded(), seeded()
    quiet.submit(one.job)
    finish(quiet)
    for k, prompt in enumerate(PROMPTS):
        lively.submit(Answer(prompt, [WARM, GREEDY][k % 2]).job)
        lively.step()
    lively.submit(two.job)
    finish(lively)
    assert [one.text(0), one.text(1)] == [two.text(0), two.text(1)]
    assert one.text(0) != one.text(1)


def test_long_prompts_come_in_pieces_and_hold_nobody_up(loaded: dict[str, Loaded]) -> None:
    batch = batcher(loaded["llama"], prefill_tokens=8)
    running, long = Answer(PROMPTS[0], max_tokens=30), Answer([5] * 100, max_tokens=3)
    batch.submit(running.job)
    batch.step()
    batch.submit(long.job)
    before = running.job.completion_tokens
    for _ in range(10):
        batch.step()
    assert running.job.completion_tokens == before + 10
    assert not long.items
    finish(batch)
    assert long.text() == alone(loaded["llama"], [5] * 100, 3)


def test_choices_share_one_prompt(loaded: dict[str, Loaded]) -> None:
    batch = batcher(loaded["llama"], prefill_tokens=1000)
    answer = Answer([5] * 60, n=4, max_tokens=5)
    batch.submit(answer.job)
    finish(batch)
    assert {answer.text(i) for i in range(4)} == {alone(loaded["llama"], [5] * 60, 5)}
    assert answer.items[-1].usage.prompt_tokens == 60
    assert answer.items[-1].usage.completion_tokens == 20
    # One step for the prompt, one for the last token of the three copies, then token by token.
    assert batch.steps <= 8


def test_more_than_the_batch_holds_wait_their_turn(loaded: dict[str, Loaded]) -> None:
    batch = batcher(loaded["llama"], max_rows=2)
    answers = [Answer(prompt) for prompt in PROMPTS]
    for answer in answers:
        batch.submit(answer.job)
    batch.step()
    assert (len(batch.running), batch.waiting) == (2, 4)
    finish(batch)
    assert all(answer.done for answer in answers)


def test_cache_bound_holds_rows_back(loaded: dict[str, Loaded]) -> None:
    batch = batcher(loaded["llama"], cache_tokens=100)
    answers = [Answer([5] * 30, max_tokens=10) for _ in range(3)]
    for answer in answers:
        batch.submit(answer.job)
    batch.step()
    assert len(batch.running) == 2  # 2 x 40 fit into 100, 3 x 40 do not
    finish(batch)
    assert all(answer.done for answer in answers)


def test_cancelled_jobs_leave_before_the_next_token(loaded: dict[str, Loaded]) -> None:
    batch = batcher(loaded["llama"], max_rows=2)
    gone, stays, queued = (Answer(PROMPTS[k], max_tokens=40) for k in range(3))
    for answer in (gone, stays, queued):
        batch.submit(answer.job)
    for _ in range(5):
        batch.step()
    gone.job.cancel()
    queued.job.cancel()
    sent = len(gone.items)
    batch.step()
    assert [choice.job for choice in batch.running] == [stays.job]
    assert batch.waiting == 0
    finish(batch)
    assert len(gone.items) == sent
    assert stays.text() == alone(loaded["llama"], PROMPTS[1], 40)


def test_stop_string_across_tokens(loaded: dict[str, Loaded]) -> None:
    batch = batcher(loaded["llama"])
    whole = alone(loaded["llama"], PROMPTS[3], 30)
    stop = whole[5:9]
    answer = Answer(PROMPTS[3], max_tokens=30, stop=(stop,), logprobs=0)
    batch.submit(answer.job)
    finish(batch)
    assert answer.text() == whole[: whole.index(stop)]
    assert answer.chunks[-1].finish_reason == "stop"


def test_logprobs_come_with_the_text_of_their_token(loaded: dict[str, Loaded]) -> None:
    batch = batcher(loaded["llama"])
    answer = Answer(PROMPTS[1], logprobs=2, max_tokens=10)
    batch.submit(answer.job)
    finish(batch)
    entries = [entry for chunk in answer.chunks for entry in chunk.logprobs or ()]
    assert len(entries) == 10
    raw = b"".join(bytes(entry["bytes"]) for entry in entries)
    assert raw.decode(errors="replace") == answer.text()
    for entry in entries:
        assert entry["top_logprobs"][0]["logprob"] == pytest.approx(entry["logprob"])
        assert len(entry["top_logprobs"]) == 2


def test_an_ending_token_ends_the_answer_and_has_no_text(loaded: dict[str, Loaded]) -> None:
    model = loaded["llama"]
    batch = batcher(model)
    first = Answer(PROMPTS[4], logprobs=0, max_tokens=6)
    batch.submit(first.job)
    finish(batch)
    third = first.chunks and [e for c in first.chunks for e in c.logprobs or ()][2]["bytes"]
    batch = batcher(model)
    batch.ends = frozenset(model.tokenizer.convert_tokens_to_ids([_letter(third[0])]))
    second = Answer(PROMPTS[4], max_tokens=6)
    batch.submit(second.job)
    finish(batch)
    assert second.chunks[-1].finish_reason == "stop"
    assert second.job.completion_tokens <= 3
    assert first.text().startswith(second.text().rstrip("\ufffd"))


def _letter(byte: int) -> str:
    from experts.engines.inprocess.detokenize import _byte_alphabet

    return {value: letter for letter, value in _byte_alphabet().items()}[byte]


def test_failure_ends_every_job_and_the_batch_goes_on(loaded: dict[str, Loaded]) -> None:
    batch = batcher(loaded["llama"], max_rows=1)
    answers = [Answer(PROMPTS[0]), Answer(PROMPTS[1])]
    for answer in answers:
        batch.submit(answer.job)
    batch.step()
    error = RuntimeError("out of memory")
    batch.fail(error)
    assert [answer.items[-1] for answer in answers] == [error, error]
    again = Answer(PROMPTS[2])
    batch.submit(again.job)
    finish(batch)
    assert again.text() == alone(loaded["llama"], PROMPTS[2])


def test_memory_follows_use(loaded: dict[str, Loaded]) -> None:
    batch = batcher(loaded["llama"])
    batch.submit(Answer([5] * 4, max_tokens=4).job)
    finish(batch)
    assert isinstance(batch.rows, SlotRows)
    assert batch.rows._cache.keys[0].shape[0] == 1
    assert batch.rows._cache.keys[0].shape[2] == 64


def test_find_model_names_what_is_missing(tmp_path: Path) -> None:
    assert find_model(str(tmp_path)) == tmp_path
    assert find_model("org/name") == "org/name"
    for missing in (str(tmp_path / "nowhere"), "./nowhere", "minis/nothing", "a/b/c"):
        with pytest.raises(ConfigError, match="save_pretrained"):
            find_model(missing)


def test_a_cache_too_small_for_the_context_cuts_it(models: dict[str, Path]) -> None:
    # 2 layers x (keys + values) x 2 heads x 16 x 4 bytes = 512 bytes a token
    settings = TransformersSettings(model=str(models["llama"]), cache_gb=100 * 512 / 2**30)
    assert load(settings, None).context_length == 100


def test_context_beyond_the_model_is_refused(models: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="256"):
        load(TransformersSettings(model=str(models["llama"])), 1000)


def test_settings_are_settings() -> None:
    assert issubclass(TransformersSettings, Settings)
