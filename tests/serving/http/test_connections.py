"""Clients that leave, dawdle or send too much, over raw sockets."""

import json
import socket
import sys
import time
from contextlib import contextmanager

import openai
import pytest

from serving.config import ServingConfig

HI = [{"role": "user", "content": "hi"}]


def wait_for(condition, seconds=5.0):
    """Generous: cores are shared. What is meant to be quick is quick in milliseconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return False


@contextmanager
def connected(server, receive_buffer=None):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.socket() as sock:
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(10)
        sock.connect((host, int(port)))
        yield sock


def head(length, *extra):
    lines = ["POST /v1/chat/completions HTTP/1.1", "host: x", *extra]
    if length is not None:
        lines.append(f"content-length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def ask(sock, **fields):
    body = json.dumps({"messages": HI, **fields}).encode()
    sock.sendall(head(len(body)) + body)


def read_all(sock):
    data = b""
    try:
        while part := sock.recv(65536):
            data += part
    except ConnectionResetError:
        pass
    return data


def test_a_client_that_leaves_mid_stream_stops_the_expert(server, client):
    expert = server.experts["slow"]
    before = expert.cancelled
    stream = client.chat.completions.create(model="slow", messages=HI, stream=True)
    next(iter(stream))
    assert expert.active == 1
    stream.close()
    assert wait_for(lambda: expert.active == 0)
    assert expert.cancelled == before + 1


def test_a_client_that_leaves_before_the_answer_stops_the_expert(server):
    expert = server.experts["silent"]
    with connected(server) as sock:
        ask(sock, model="silent")
        assert wait_for(lambda: expert.active == 1)
    assert wait_for(lambda: expert.active == 0)


def test_a_client_that_leaves_a_hanging_stream_stops_the_expert(server):
    expert = server.experts["hangs"]
    with connected(server) as sock:
        ask(sock, model="hangs", stream=True)
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
        assert expert.active == 1
    assert wait_for(lambda: expert.active == 0)


def test_a_client_that_leaves_one_of_several_prompts_stops_them_all(server):
    expert = server.experts["slow"]
    with connected(server) as sock:
        body = json.dumps({"model": "slow", "prompt": ["a", "b", "c"], "stream": True}).encode()
        sock.sendall(head(len(body)).replace(b"/chat", b"") + body)
        assert wait_for(lambda: expert.active == 3)
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
    assert wait_for(lambda: expert.active == 0)


@pytest.mark.parametrize("together", [True, False])
def test_a_request_ahead_of_an_answer_is_dropped(server, together):
    body = json.dumps({"model": "echo", "messages": HI}).encode()
    slow = json.dumps({"model": "slow", "messages": HI, "max_tokens": 9}).encode()
    first, second = head(len(slow)) + slow, head(len(body)) + body
    with connected(server) as sock:
        sock.sendall(first + second if together else first)
        if not together:
            assert wait_for(lambda: server.experts["slow"].active == 1)
            sock.sendall(second)
        answer = read_all(sock)
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"word8" in answer


def test_a_client_that_sends_ahead_and_leaves_stops_the_expert(server):
    for model in ("silent", "flood"):
        expert = server.experts[model]
        with connected(server) as sock:
            ask(sock, model=model, stream=True)
            assert wait_for(lambda expert=expert: expert.active == 1)
            time.sleep(0.05)
            ask(sock, model="echo")
        assert wait_for(lambda expert=expert: expert.active == 0)


def test_a_client_that_leaves_while_sending_its_body(server):
    with connected(server) as sock:
        sock.sendall(head(1000) + b"{")
    with connected(server) as sock:
        ask(sock, model="echo")
        assert sock.recv(100).startswith(b"HTTP/1.1 200")


def test_a_slow_reader_holds_the_expert_back(server):
    expert = server.experts["flood"]
    with connected(server, receive_buffer=4096) as sock:
        ask(sock, model="flood", stream=True)
        assert wait_for(lambda: expert.sent > 10)
        while (seen := expert.sent) and not wait_for(lambda: False, 0.5) and expert.sent > seen:
            assert expert.sent * 10_000 < 50e6, "what nobody reads piles up"
    assert wait_for(lambda: expert.active == 0)


def test_a_large_body_is_refused_without_reading_it(server):
    size, sent = 50_000_000, 0
    with connected(server) as sock:
        sock.sendall(head(size))
        block = b" " * 65536
        try:
            while sent < size:
                sent += sock.send(block)
        except OSError:  # the server stopped reading, and then hung up
            pass
        answer = read_all(sock)
    assert sent < size / 2
    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"code":"body_too_large"' in answer


def test_a_large_body_of_unknown_length_is_refused_once_it_is_too_large(server):
    sent = 0
    block = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with connected(server) as sock:
        sock.sendall(head(None, "transfer-encoding: chunked"))
        try:
            while sent < 50_000_000:
                sock.sendall(block)
                sent += 0x10000
        except OSError:
            pass
        answer = read_all(sock)
    assert sent < 40_000_000
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_client_that_waits_for_permission_never_sends_a_large_body(server):
    with connected(server) as sock:
        sock.sendall(head(50_000_000, "expect: 100-continue"))
        assert sock.recv(100).startswith(b"HTTP/1.1 413")


def test_a_client_that_waits_for_permission_gets_it(server):
    body = json.dumps({"model": "echo", "messages": HI}).encode()
    with connected(server) as sock:
        sock.sendall(head(len(body), "expect: 100-continue"))
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert sock.recv(100).startswith(b"HTTP/1.1 200")


def test_the_official_client_hears_that_its_body_is_too_large(client):
    large = [{"role": "user", "content": "x" * 50_000_000}]
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="echo", messages=large)
    assert caught.value.status_code == 413


@pytest.fixture(scope="module")
def strict(run_server, experts):
    config = ServingConfig(
        port=0,
        max_body=2000,
        body_timeout=0.3,
        header_timeout=0.3,
        max_header=4096,
        stall_timeout=1,
    )
    with run_server(experts.pipeline(), config) as server:
        yield server


@pytest.mark.skipif(sys.platform != "linux", reason="a socket option of Linux")
def test_a_client_that_never_reads_is_given_up(strict):
    expert = strict.experts["flood"]
    with connected(strict, receive_buffer=4096) as sock:
        ask(sock, model="flood", stream=True)
        assert wait_for(lambda: expert.active == 1)
        assert wait_for(lambda: expert.active == 0, seconds=30)


def test_a_body_that_comes_too_slowly(strict):
    with connected(strict) as sock:
        sock.sendall(head(100) + b"{")
        assert b"HTTP/1.1 408" in read_all(sock)


def test_headers_that_come_too_slowly(strict):
    with connected(strict) as sock:
        sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost:")
        assert b"HTTP/1.1 408" in read_all(sock)


def test_a_connection_that_says_nothing_is_closed(strict):
    with connected(strict) as sock:
        assert read_all(sock) == b""


def test_endless_headers(strict):
    with connected(strict) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n")
        try:
            for _ in range(1000):
                sock.sendall(b"x-filler: " + b"x" * 1000 + b"\r\n")
        except OSError:
            pass
        assert b"HTTP/1.1 431" in read_all(sock)


def test_what_is_not_http(strict):
    with connected(strict) as sock:
        sock.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        answer = read_all(sock)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"] == "malformed_http"


def test_the_limit_of_the_body_is_the_configured_one(strict):
    with connected(strict) as sock:
        ask(sock, model="echo", user="x" * 3000)
        assert b"2000 bytes" in read_all(sock)
