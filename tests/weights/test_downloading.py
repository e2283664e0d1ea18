import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile

import pytest

from inceptionlab import DataError, downloading
from inceptionlab.downloading import Remote, download

from .web_server import serving

CONTENT = bytes(range(256)) * 40  # 10 kB
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setattr(downloading, "PAUSE", 0.001)
    with serving() as found:
        found.files["/a.bin"] = CONTENT
        yield found


def remote(web, **more):
    return Remote(f"{web.address}/a.bin", **{"checksum": SHA256, **more})


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_once_and_nothing_else_is_left(web, tmp_path):
    target = tmp_path / "new" / "a.bin"
    for _ in range(2):
        assert download(remote(web), target) == target
    assert target.read_bytes() == CONTENT
    assert names(target.parent) == ["a.bin"]
    assert len(web.requests) == 1


def test_a_cut_line_is_taken_up_where_it_broke(web, tmp_path):
    web.cuts = [3000, 2000, 1]
    download(remote(web), tmp_path / "a.bin")
    asked = [headers.get("Range") for _, headers in web.requests]
    assert asked == [None, "bytes=3000-", "bytes=5000-", "bytes=5001-"]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_the_next_call_goes_on_too(web, tmp_path):
    web.cuts = [3000, *[0] * downloading.TRIES]
    with pytest.raises(DataError, match=r"could not be downloaded.*the line was cut \(3,000 bytes are kept for the n"):
        download(remote(web), tmp_path / "a.bin")
    assert not (tmp_path / "a.bin").exists()
    web.requests.clear()
    download(remote(web), tmp_path / "a.bin")
    assert [headers.get("Range") for _, headers in web.requests] == ["bytes=3000-"]
    assert names(tmp_path) == ["a.bin"]


def test_a_file_that_changed_meanwhile_is_fetched_anew(web, tmp_path):
    web.cuts = [3000, *[0] * downloading.TRIES]
    with pytest.raises(DataError):
        download(Remote(f"{web.address}/a.bin"), tmp_path / "a.bin")
    web.files["/a.bin"], web.tag = CONTENT[::-1], '"2"'
    download(Remote(f"{web.address}/a.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_sends_all_again(web, tmp_path):
    web.ranges, web.cuts = False, [3000]
    download(remote(web), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_what_is_kept_of_a_longer_file_is_dropped(web, tmp_path):
    (tmp_path / ".a.bin.part").write_bytes(CONTENT * 2)
    (tmp_path / ".a.bin.version").write_text('"1"')
    download(remote(web), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256"])
def test_checksums_of_every_kind_and_their_beginnings(web, tmp_path, kind):
    digits = hashlib.new(kind, CONTENT).hexdigest()
    download(remote(web, checksum=f"{kind}:{digits}"), tmp_path / "a.bin")
    download(remote(web, checksum=f"{kind}:{digits[:8]}"), tmp_path / "b.bin")
    with pytest.raises(DataError, match=f"checksum {digits}, its makers publish 00"):
        download(remote(web, checksum=f"{kind}:00"), tmp_path / "c.bin")
    assert names(tmp_path) == ["a.bin", "b.bin"]


def test_a_file_that_was_put_there_is_checked(web, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"something else")
    with pytest.raises(DataError, match="remove it to have it fetched anew"):
        download(remote(web), tmp_path / "a.bin")
    assert web.requests == []


def test_what_does_not_exist_is_not_asked_for_again(web, tmp_path):
    with pytest.raises(DataError, match=r"/b\.bin could not be downloaded: the server says 404 Not Found$"):
        download(Remote(f"{web.address}/b.bin"), tmp_path / "b.bin")
    assert len(web.requests) == 1
    assert names(tmp_path) == []


def test_a_busy_server_is_asked_again(web, tmp_path):
    web.busy = downloading.TRIES - 1
    download(remote(web), tmp_path / "a.bin")
    web.busy = 100
    with pytest.raises(DataError, match="the server says 503"):
        download(remote(web), tmp_path / "b.bin")
    assert names(tmp_path) == ["a.bin"]


def test_nobody_answers(tmp_path, monkeypatch):
    monkeypatch.setattr(downloading, "PAUSE", 0.001)
    with pytest.raises(DataError, match="could not be downloaded to .*refused"):
        download(Remote("http://127.0.0.1:9/a.bin"), tmp_path / "a.bin")


def test_redirects_are_followed_and_the_token_stays_at_home(web, tmp_path):
    with serving() as elsewhere:
        elsewhere.files["/stored"], elsewhere.cuts = CONTENT, [4000]
        web.moved["/a.bin"] = f"{elsewhere.address}/stored"
        download(remote(web, token="secret"), tmp_path / "a.bin")
        assert [headers.get("Authorization") for _, headers in web.requests] == ["Bearer secret"] * 2
        assert [headers.get("Authorization") for _, headers in elsewhere.requests] == [None, None]
        assert [headers.get("Range") for _, headers in elsewhere.requests] == [None, "bytes=4000-"]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_slow_line_is_waited_for_and_a_dead_one_is_not(web, tmp_path, monkeypatch):
    monkeypatch.setattr(downloading, "TIMEOUT", 0.2)
    web.delay = 0.03  # 0.3 s in all
    download(remote(web), tmp_path / "a.bin")
    web.delay = 0.6
    with pytest.raises(DataError, match="could not be downloaded.*timed out"):
        download(remote(web), tmp_path / "b.bin")


def test_two_processes_fetch_it_once(web, tmp_path):
    web.delay = 0.05
    script = f"""if True:
        from pathlib import Path
        from inceptionlab.downloading import Remote, download
        path = download(Remote({web.address + "/a.bin"!r}, {SHA256!r}), Path({str(tmp_path / "a.bin")!r}))
        print(len(path.read_bytes()))"""
    both = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0].strip() for process in both] == [str(len(CONTENT))] * 2
    assert len(web.requests) == 1
    assert names(tmp_path) == ["a.bin"]


def archives():
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.bin", CONTENT)
    with tarfile.open(fileobj=tarred, mode="w:gz") as archive:
        entry = tarfile.TarInfo("./folder/a.bin")
        entry.size = len(CONTENT)
        archive.addfile(entry, io.BytesIO(CONTENT))
    return [zipped.getvalue(), tarred.getvalue()]


@pytest.mark.parametrize("archive", archives(), ids=["zip", "tar"])
def test_one_file_of_an_archive_is_kept(web, tmp_path, archive):
    web.files["/a.bin"], web.cuts = archive, [100]
    download(remote(web, member="a.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    with pytest.raises(DataError, match="no archive that holds other"):
        download(remote(web, member="other"), tmp_path / "other")
    web.files["/a.bin"] = CONTENT
    with pytest.raises(DataError, match="no archive that holds a.bin"):
        download(remote(web, member="a.bin"), tmp_path / "other")
    assert names(tmp_path) == ["a.bin"]


def test_a_proxy_is_used(web, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", web.address)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    web.files["http://files.example/a.bin"] = CONTENT
    download(Remote("http://files.example/a.bin", SHA256), tmp_path / "a.bin")
    assert web.requests[0][0] == "http://files.example/a.bin"
