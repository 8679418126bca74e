"""The server against its own description, and against damaged files: it refuses, and never fails.

The suite takes a few requests of each kind, the same every time; ``make long`` takes many.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mutated_files import mutant, seeds
from PIL import Image
from served import Part, Server, serving

hypothesis = pytest.importorskip("hypothesis")
schemathesis = pytest.importorskip("schemathesis")
pytest.importorskip("uvicorn")
pytest.importorskip("python_multipart")

SEED = 20


def png(seed: int = 0, side: int = 24) -> bytes:
    file = io.BytesIO()
    values = np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def server(tiny_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    words = ["--model", tiny_path, "--max-pixels", "1000000", "--max-bytes", "1MB"]
    with serving(*words, cwd=tmp_path_factory.mktemp("empty")) as found:
        yield found


def _check(server: Server, examples: int) -> dict[int, int]:
    """Send requests that the document describes, and some that it does not; count the answers."""
    from schemathesis.checks import load_all_checks
    from schemathesis.generation import GenerationMode
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    load_all_checks()
    pictures = hypothesis.strategies.sampled_from([png(), png(1, 40), b"", b"no picture"])
    schemathesis.openapi.format("binary", pictures)
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
    answers: dict[int, int] = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        modes = [GenerationMode.POSITIVE]
        if operation.body or operation.query:  # else there is nothing to be wrong
            modes.append(GenerationMode.NEGATIVE)
        for mode in modes:

            @hypothesis.seed(SEED)
            @hypothesis.settings(
                max_examples=examples if len(modes) > 1 else 1,
                deadline=None,
                database=None,
                suppress_health_check=list(hypothesis.HealthCheck),
                phases=[hypothesis.Phase.generate],
            )
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            def asked(case: Any) -> None:
                response = case.call()
                answers[response.status_code] = answers.get(response.status_code, 0) + 1
                # A photograph is more than bytes: what the document allows may be refused.
                case.validate_response(response, excluded_checks=[positive_data_acceptance])

            asked()
    return answers


def test_server_is_as_its_document_says(server: Server):
    answers = _check(server, 12)
    assert answers[200] > 10 and answers[400] > 20, answers
    assert set(answers) <= {200, 400, 405}


@pytest.mark.long
def test_server_is_as_its_document_says_many_times(server: Server):
    answers = _check(server, 500)
    assert answers[200] > 500 and answers[400] > 500, answers


def _damaged(server: Server, numbers: range) -> dict[int, int]:
    """Send damaged files as photograph, style and mask in turn, and count the answers."""
    files, answers = seeds(), {}
    for number in numbers:
        name, data = mutant(files, number)
        whole: list[Part] = [
            ("content", ("a.png", png())),
            ("style", ("b.png", png(1))),
            ("mask", ("c.png", _gray())),
        ]
        place = number % len(whole)
        whole[place] = (whole[place][0], ("d", data))
        status, headers, body = server.post("/api/stylize", whole)
        answers[status] = answers.get(status, 0) + 1
        assert status in (200, 400), (name, status, body[:300])
        if status == 400:
            line = json.loads(body)["error"]
            assert line.isprintable() and line, name
        else:
            assert headers["content-type"] == "image/png" and body[:4] == b"\x89PNG", name
    return answers


def _gray() -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((16, 16)).save(file, "PNG")
    return file.getvalue()


def test_damaged_files_are_refused_in_a_line(server: Server):
    answers = _damaged(server, range(0, 2000, 8))
    assert min(answers.values()) > 25, answers
    assert server.json("/api/health")["taken"] == 0


@pytest.mark.long
def test_many_damaged_files_are_refused_in_a_line(server: Server):
    _damaged(server, range(2000, 12_000))
    health = server.json("/api/health")
    assert health["taken"] == 0 and health["memory"] < 1_000_000_000
