import asyncio
import io
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import asdict, replace

import pytest
import torch
from PIL import Image

from inceptionlab import create_model
from inceptionlab.cli import main
from inceptionlab.exporting.engines import Engine
from inceptionlab.report.page import style_sheet
from inceptionlab.runs.predicting import predict
from inceptionlab.runs.prediction import Trained
from inceptionlab.spec.codec import to_json
from inceptionlab.storage import write_tensors

pytest.importorskip("starlette")
uvicorn = pytest.importorskip("uvicorn")

from inceptionlab.web.app import application  # noqa: E402
from inceptionlab.web.batching import Batcher, BusyError  # noqa: E402
from inceptionlab.web.uploads import LARGEST_BODY, MOST_FILES  # noqa: E402
from inceptionlab.web.words import language_of  # noqa: E402

CLASSES = tuple("abcdefghij")


@pytest.fixture(scope="module")
def trained():
    return Trained(create_model("small_fast").eval(), CLASSES)


@pytest.fixture(scope="module")
def address(trained):
    """A server in a thread of its own, on a free port."""
    config = uvicorn.Config(application(trained, "torch"), port=0, log_level="warning", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def image(tmp_path):
    pixels = torch.randint(256, (40, 50, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    Image.fromarray(pixels.numpy()).save(tmp_path / "p.png")
    return tmp_path / "p.png"


def asked(address, body=None, **headers):
    """(status, type, what came) of a request."""
    try:
        request = urllib.request.Request(address, body, {name.replace("_", "-"): v for name, v in headers.items()})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


def test_it_predicts_as_predict_does(address, trained, image):
    status, _, content = asked(f"{address}/predict?top=3", image.read_bytes())
    found, wanted = json.loads(content), [asdict(one) for one in predict(trained, [image], 3)[0].top]
    assert status == 200
    assert [prediction["label"] for prediction in found["top"]] == [prediction["label"] for prediction in wanted]
    assert found["top"][0]["probability"] == pytest.approx(wanted[0]["probability"], rel=1e-4)


def test_it_says_what_it_serves(address):
    model = json.loads(asked(f"{address}/model")[2])
    assert (model["network"], model["engine"], model["classes"]) == ("small_fast", "torch", list(CLASSES))
    assert model["input"] == {"channels": 3, "height": 32, "width": 32}
    assert json.loads(asked(f"{address}/health")[2]) == {"status": "ok", "waiting": 0}


def test_the_page_needs_no_other_server(address):
    status, kind, content = asked(address)
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert b"<!doctype html>" in content
    assert b"http" not in content


@pytest.mark.parametrize(("query", "body", "status", "words"), [
    ("", b"", 400, "there is no image"),
    ("", b"no image", 400, "cannot be read as an image: it is of no format"),
    ("", "cut", 400, "cannot be read as an image"),
    ("", "tiny", 400, "an image needs at least 4x4"),
    ("", b"\0" * (LARGEST_BODY + 1), 413, "more than 32 MiB"),
    ("?top=0", b"x", 400, "ask for at least 1 class"),
    ("?top=many", b"x", 400, "ask for at least 1 class"),
    ("?top=99999999999999999999", b"x", 400, "ask for at least 1 class"),
])  # fmt: skip
def test_what_is_no_image_is_refused_in_a_sentence(address, image, query, body, status, words):
    small = io.BytesIO()
    Image.new("RGB", (2, 2)).save(small, "PNG")
    content = {"cut": image.read_bytes()[:500], "tiny": small.getvalue()}.get(body) if isinstance(body, str) else body
    found, _, answer = asked(f"{address}/predict{query}", content)
    assert (found, words in json.loads(answer)["error"]) == (status, True)
    assert asked(f"{address}/health")[0] == 200  # and it goes on


@pytest.mark.parametrize("body", [
    b"DDS " + bytes(200), b"BLP2" + bytes(200), b"BLP1" + bytes(200), b"\0\0\0\x1cftypavif" + bytes(100),
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", b"8BPS" + bytes(100), b"\x89PNG\r\n\x1a\n",
    b"GIF89a" + bytes(20), b"II*\0\x08\0\0\0" + b"\xff" * 100, b"\xff\xd8\xff\xe0" + bytes(100),
    b"P6 9999999 9999999 255\n",
])  # fmt: skip
def test_whatever_an_image_library_finds_wrong_is_a_sentence(address, body):
    status, kind, answer = asked(f"{address}/predict", body)
    assert (status, kind) == (400, "application/json")
    assert json.loads(answer)["error"].startswith("what was sent ")


def test_what_no_reader_foresaw_is_a_sentence_too(address, image, monkeypatch):
    def failing(*_, **__):
        raise NotImplementedError("DX10 format 97")

    content = image.read_bytes()
    monkeypatch.setattr(Image, "open", failing)
    status, _, answer = asked(f"{address}/predict", content)
    assert (status, json.loads(answer)["error"].endswith("DX10 format 97")) == (400, True)


def test_other_addresses_and_methods_are_refused(address):
    assert asked(f"{address}/etc/passwd")[0] == 404
    assert asked(f"{address}/predict")[0] == 405
    assert "error" in json.loads(asked(f"{address}/nothing")[2])


def sent(address, *parts, **headers):
    """What came of a form whose parts are (name, filename or None, content), written as curl -F does."""
    lines = []
    for name, filename, content in parts:
        place = f'; filename="{filename}"' if filename is not None else ""
        lines += [b"--edge", f'Content-Disposition: form-data; name="{name}"{place}'.encode(), b"", content]
    body = b"\r\n".join([*lines, b"--edge--", b""])
    status, _, found = asked(address, body, Content_Type="multipart/form-data; boundary=edge", **headers)
    return status, json.loads(found)


def test_a_form_of_files_is_answered_by_an_array_with_their_names(address, image):
    other = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(other, "JPEG")
    parts = [("file", "p.png", image.read_bytes()), ("file", "红.jpg", other.getvalue())]
    status, found = sent(f"{address}/predict?top=2", *parts)
    assert (status, [one["file"] for one in found]) == (200, ["p.png", "红.jpg"])
    for one, (_, _, content) in zip(found, parts, strict=True):
        alone = json.loads(asked(f"{address}/predict?top=2", content)[2])
        assert [p["label"] for p in one["top"]] == [p["label"] for p in alone["top"]]
        assert set(alone) == {"top", "milliseconds"}  # a body is answered by an object
    status, found = sent(f"{address}/predict", parts[0])
    assert (status, len(found), len(found[0]["top"])) == (200, 1, 5)
    status, found = sent(f"{address}/predict", *[parts[0]] * MOST_FILES)
    assert (status, len(found)) == (200, MOST_FILES)


def test_a_broken_file_of_a_form_is_said_beside_the_answers_to_the_others(address, image):
    good, bad = ("file", "p.png", image.read_bytes()), ("file", "a.jpg", image.read_bytes()[:200])
    for language, words in (("en", "a.jpg cannot be read as an image"), ("zh", "a.jpg 无法作为图片读取")):
        status, found = sent(f"{address}/predict?top=2", bad, good, bad, good, Accept_Language=language)
        assert (status, [one["file"] for one in found]) == (200, ["a.jpg", "p.png"] * 2)
        assert [words in one.get("error", "") for one in found] == [True, False] * 2
        assert found[1]["top"] == found[3]["top"]
        assert found[1]["top"][0]["label"] == sent(f"{address}/predict", good)[1][0]["top"][0]["label"]
    status, found = sent(f"{address}/predict", bad, bad)
    assert (status, "a.jpg cannot be read" in found["error"]) == (400, True)


@pytest.mark.parametrize(("parts", "status", "words"), [
    ([], 400, ("there is no image", "没有图片")),
    ([("note", None, b"hello")], 400, ("the field 'note' of the form is not a file", "不是文件")),
    ([("file", "a.txt", b"text")], 400, ("a.txt cannot be read as an image", "无法作为图片读取")),
    ([("file", "a.jpg", b"")], 400, ("a.jpg cannot be read as an image", "a.jpg 无法作为图片读取")),
    ([("file", "a.jpg", b"x")] * (MOST_FILES + 1), 400, ("at most 16 files", "最多 16 个文件")),
    ([("file", "a.jpg", bytes(LARGEST_BODY // 2))] * 2, 413, ("more than 32 MiB", "超过 32 MiB")),
])  # fmt: skip
def test_a_form_that_is_refused_says_why_in_the_language_that_is_asked_for(address, parts, status, words):
    for language, sentence in zip(("en", "zh-CN,zh;q=0.9,en;q=0.8"), words, strict=True):
        found, answer = sent(f"{address}/predict", *parts, Accept_Language=language)
        assert (found, sentence in answer["error"]) == (status, True), answer
    assert asked(f"{address}/health")[0] == 200


@pytest.mark.parametrize(
    "head", ["multipart/form-data", "multipart/form-data; boundary=other", "Multipart/Form-Data; boundary=é"]
)
def test_a_form_that_cannot_be_read_is_a_sentence(address, head):
    status, _, answer = asked(f"{address}/predict", b"--edge\r\nContent-Disposition: form", Content_Type=head)
    assert (status, "form cannot be read" in json.loads(answer)["error"]) == (400, True)


def test_every_refusal_is_said_in_chinese_too(address):
    refusals = (
        ("nothing", None, "没有 /nothing"), ("predict", None, "不接受 GET"), ("predict?top=0", b"x", "至少要 1"),
        ("predict", b"x", "JPEG、PNG"),
    )  # fmt: skip
    for path, body, words in refusals:
        assert words in json.loads(asked(f"{address}/{path}", body, Accept_Language="zh")[2])["error"]


@pytest.mark.parametrize(("accepted", "language"), [
    ("", "en"), ("*", "en"), ("zh", "zh"), ("zh-TW", "zh"), ("fr, zh;q=0.5", "zh"), ("en-GB, zh;q=0.9", "en"),
    ("zh;q=0.2, en;q=0.3", "en"), ("de", "en"), ("zh;q=x", "en"), ("zh-Hans-CN, en;q=0.1", "zh"), (";;,,=", "en"),
])  # fmt: skip
def test_the_language_of_a_request(accepted, language):
    assert language_of(accepted) == language


def test_an_engine_that_fails_is_said_and_the_server_goes_on(trained, image):
    def failing(x):
        raise RuntimeError("no memory")

    async def ask():
        app = application(replace(trained, engine=Engine("torch", "fp32", failing)))
        messages = []

        async def receive():
            return {"type": "http.request", "body": image.read_bytes(), "more_body": False}

        async def send(message):
            messages.append(message)

        scope = {
            "type": "http", "method": "POST", "path": "/predict", "query_string": b"", "app": app,
            "headers": [(b"accept-language", b"zh")],
        }  # fmt: skip
        async with app.router.lifespan_context(app):
            with pytest.raises(RuntimeError, match="no memory"):  # uvicorn prints it
                await app(scope, receive, send)
        return messages

    start, body = asyncio.run(ask())[:2]
    assert (start["status"], json.loads(body["body"])["error"].startswith("服务器出错")) == (500, True)


def test_the_page_has_the_style_of_reports(address):
    content = asked(address)[2].decode()
    assert style_sheet() in content
    assert "/* the style sheet" not in content


def gathered(batcher, samples):
    """What a batcher answers to images that come at once, errors among them."""

    async def all_at_once():
        task = asyncio.create_task(batcher.work())
        found = await asyncio.gather(*map(batcher.logits, samples), return_exceptions=True)
        task.cancel()
        return found

    return asyncio.run(all_at_once())


def test_requests_that_wait_together_are_one_batch():
    sizes = []

    def run(x):
        sizes.append(len(x))
        return x.flatten(1)

    samples = [torch.full((1, 1, 1, 2), float(i)) for i in range(7)]
    found = gathered(Batcher(run, largest=4), samples)
    assert [float(row[0]) for row in found] == list(range(7))  # everyone has their own
    assert (sum(sizes), max(sizes)) == (7, 4)


def test_a_batch_that_fails_fails_alone_and_too_many_are_refused():
    calls = []

    def run(x):
        calls.append(len(x))
        if len(calls) == 1:
            raise RuntimeError("no memory")
        return x.flatten(1)

    found = gathered(Batcher(run, largest=2, patience=4), [torch.zeros(1, 1, 1, 1)] * 5)
    assert [type(one) for one in found] == [RuntimeError, RuntimeError, torch.Tensor, torch.Tensor, BusyError]


def test_the_command_serves_until_it_is_asked_to_stop(trained, image, tmp_path):
    weights = tmp_path / "w.safetensors"
    write_tensors(weights, trained.network.state_dict(), {"spec": to_json(trained.network.spec)})
    command = [
        sys.executable,
        "-m",
        "inceptionlab",
        "serve",
        str(weights),
        "--port",
        "0",
        "--engine",
        "torch",
        "--json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = json.loads(process.stdout.readline())
        status, _, content = asked(f"{said['address']}/predict", image.read_bytes())
        process.send_signal(signal.SIGTERM)
    assert (said["engine"], status, len(json.loads(content)["top"])) == ("torch", 200, 5)


def test_the_first_line_says_what_auto_chose_and_why(trained, tmp_path, monkeypatch, capsys):
    weights = tmp_path / "w.safetensors"
    write_tensors(weights, trained.network.state_dict(), {"spec": to_json(trained.network.spec)})
    monkeypatch.setattr("inceptionlab.exporting.choosing.timed", lambda *_: {"torch": 0.002})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("uvicorn.Server.run", lambda *_: None)
    main(["serve", str(weights), "--port", "0"])
    assert "by torch, the fastest here in batches of 1 image (torch 2 ms); Ctrl-C" in capsys.readouterr().out
    main(["serve", str(weights), "--port", "0", "--engine", "torch"])
    assert "by torch; Ctrl-C" in capsys.readouterr().out
    main(["serve", str(weights), "--port", "0", "--json"])
    assert json.loads(capsys.readouterr().out)["why"].startswith("the fastest here")


def test_a_port_that_is_taken_is_said(trained, address, tmp_path, capsys):
    weights = tmp_path / "w.safetensors"
    write_tensors(weights, trained.network.state_dict(), {"spec": to_json(trained.network.spec)})
    port = address.rpartition(":")[2]
    for arguments, words in (
        (["--port", port], "cannot be listened on"), (["--port", "99999"], "a port is a number from 0 to 65535"),
        (["--batch", "0"], "at least 1 image"),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as stopped:
            main(["serve", str(weights), "--engine", "torch", *arguments])
        assert stopped.value.code == 2
        assert words in capsys.readouterr().err
