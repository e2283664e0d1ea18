"""Images by their addresses, from a server on 127.0.0.1: limits of size, time, redirects and schemes."""

import io
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from inceptionlab.data import addresses
from inceptionlab.data.addresses import fetched
from inceptionlab.data.image_sets import image_set
from inceptionlab.errors import DataError


def photograph():
    content = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(content, "JPEG")
    return content.getvalue()


class Answers(BaseHTTPRequestHandler):
    """/a.jpg is an image; the others are what goes wrong."""

    asked: list[str] = []  # noqa: RUF012

    def do_GET(self):
        path = self.path.rpartition("//127.0.0.1:1")[2]  # a proxy is asked for the whole address
        self.asked.append(self.path)
        if path.startswith("/to/"):
            return self.say(302, b"", Location=path.removeprefix("/to/"))
        if path.startswith("/down/"):
            left = int(path.rpartition("/")[2])
            return self.say(302, b"", Location=f"/down/{left - 1}" if left else "/a.jpg")
        if path == "/busy" and self.asked.count(path) < 3:
            return self.say(503, b"")
        if path == "/page":
            return self.say(200, b"<html>", Content_Type="text/html")
        if path == "/cut":
            return self.say(200, photograph()[:300], len(photograph()))
        if path == "/endless":
            return self.endless()
        if path == "/large":
            return self.say(200, b"", 1 << 40)
        if path == "/slow":
            return time.sleep(2)
        if path == "/missing":
            return self.say(404, b"")
        return self.say(200, b"no image" if path == "/text" else photograph())

    def say(self, status, content, length=None, **headers):
        self.send_response(status)
        for name, value in {"Content_Length": length or len(content), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(content)

    def endless(self):
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(1 << 16))
        except OSError:
            pass

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    Answers.asked.clear()
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(addresses, "PAUSE", 0.001)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/a.jpg", "/to//a.jpg", "/down/4", "/busy", "/some picture/猫.jpg?x=1&y=%20"])
def test_an_address_gives_its_image(server, path):
    images = image_set(server + path)
    assert (images.count, images.where(0), Answers.asked) == (1, server + path, [])
    assert images.pixels(0).shape == (30, 40, 3)
    assert image_set(server + path).digest == image_set(f"{server}/b.jpg").digest


@pytest.mark.parametrize(("path", "words"), [
    ("/missing", "the server says 404 Not Found"), ("/page", "is a page, not an image"),
    ("/down/9", "more than 5 redirects"), ("/to//to//missing", "404"), ("/cut", "the line was cut"),
    ("/endless", "has more than 1 MiB"), ("/large", "has more than 1 MiB"), ("/slow", "timed out"),
    ("/to/file:///etc/passwd", "not allowed"), ("/to/ftp://127.0.0.1/a.jpg", "unknown url type: ftp"),
    ("/text", "cannot be read as an image: it is of no format"),
])  # fmt: skip
def test_what_goes_wrong_is_a_sentence_that_names_the_address(server, monkeypatch, path, words):
    monkeypatch.setattr(addresses, "LARGEST", 1 << 20)
    monkeypatch.setattr(addresses, "TIMEOUT", 0.2)
    with pytest.raises(DataError, match=words) as error:
        image_set(server + path).pixels(0)
    assert str(error.value).startswith(server + path)


def test_an_image_that_never_ends_to_come_is_given_up(server, monkeypatch):
    monkeypatch.setattr(addresses, "PATIENCE", 0.0)
    with pytest.raises(DataError, match="takes more than 0 seconds"):
        fetched(f"{server}/endless")


def test_a_server_that_is_not_there_is_a_sentence(server):
    with pytest.raises(DataError, match=r"http://127.0.0.1:1/a.jpg could not be fetched: .*refused"):
        fetched("http://127.0.0.1:1/a.jpg")


def test_a_proxy_is_asked_where_the_variables_name_one(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server)
    monkeypatch.setenv("no_proxy", "elsewhere")
    fetched("http://127.0.0.1:1/a.jpg")
    assert Answers.asked == ["http://127.0.0.1:1/a.jpg"]
