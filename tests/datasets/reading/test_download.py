"""Downloads that end whole or leave nothing, against a local server that also misbehaves."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from datasets.errors import InputError
from datasets.reading.download import Checksum, download, fetch_text

CONTENT = b"the archive " * 50_000
SHA256 = Checksum("sha256", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
MD5 = Checksum("md5", hashlib.md5(CONTENT).hexdigest())


def fetch(url: str, target: Path, checksum: Checksum = SHA256) -> list[str]:
    said: list[str] = []
    download(url, target, checksum, notify=said.append)
    return said


def refusal(url: str, target: Path, checksum: Checksum = SHA256) -> str:
    """The sentence of a download that must fail and leave nothing behind."""
    with pytest.raises(InputError) as caught:
        fetch(url, target, checksum)
    message = str(caught.value)
    assert url in message
    assert str(target) in message
    assert "\n" not in message
    assert not list(target.parent.glob("*"))
    assert not list(target.parent.glob(".*"))
    return message


@pytest.mark.parametrize("checksum", [SHA256, MD5])
@pytest.mark.parametrize("announces_length", [True, False])
def test_a_whole_file_arrives(
    server: Any, tmp_path: Path, checksum: Checksum, announces_length: bool
) -> None:
    server.files["/a.zip"] = CONTENT
    server.announces_length = announces_length
    target = tmp_path / "new" / "folder" / "a.zip"
    said = fetch(f"{server.url}/a.zip", target, checksum)
    assert target.read_bytes() == CONTENT
    assert [file.name for file in target.parent.iterdir()] == ["a.zip"]
    assert said == [f"downloading {server.url}/a.zip to {target}"]


@pytest.mark.parametrize("checksum", [SHA256, MD5])
def test_a_transfer_that_breaks_off(server: Any, tmp_path: Path, checksum: Checksum) -> None:
    server.files["/a.zip"] = CONTENT
    server.truncated = True
    message = refusal(f"{server.url}/a.zip", tmp_path / "new" / "a.zip", checksum)
    assert "broke off after 300,000 of 600,000 bytes" in message


@pytest.mark.parametrize("checksum", [SHA256, MD5])
def test_a_transfer_that_breaks_off_without_an_announced_length(
    server: Any, tmp_path: Path, checksum: Checksum
) -> None:
    server.files["/a.zip"] = CONTENT
    server.truncated = True
    server.announces_length = False
    message = refusal(f"{server.url}/a.zip", tmp_path / "new" / "a.zip", checksum)
    assert "not the published file" in message


@pytest.mark.parametrize(("checksum", "reason"), [(SHA256, "its sha256 is"), (MD5, "its md5 is")])
def test_a_server_that_lies(server: Any, tmp_path: Path, checksum: Checksum, reason: str) -> None:
    server.files["/a.zip"] = CONTENT[:-1] + b"!"
    assert reason in refusal(f"{server.url}/a.zip", tmp_path / "new" / "a.zip", checksum)


def test_a_server_with_a_file_of_another_size(server: Any, tmp_path: Path) -> None:
    server.files["/a.zip"] = CONTENT + b"more"
    url, target = f"{server.url}/a.zip", tmp_path / "new" / "a.zip"
    assert "it has 600,004 bytes where 600,000 belong" in refusal(url, target)
    server.announces_length = False
    assert "it has 600,004 bytes where 600,000 belong" in refusal(url, target)


def test_a_file_that_is_not_there(server: Any, tmp_path: Path) -> None:
    assert "404" in refusal(f"{server.url}/a.zip", tmp_path / "new" / "a.zip")


def test_offline(dead_url: str, tmp_path: Path) -> None:
    message = refusal(f"{dead_url}/a.zip", tmp_path / "new" / "a.zip")
    assert "refused" in message
    assert "put the file at" in message


def test_only_http_is_spoken(server: Any, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(CONTENT)
    target = tmp_path / "new" / "a.zip"
    assert "neither http nor https" in refusal((tmp_path / "a.zip").as_uri(), target)
    server.redirect = "ftp://127.0.0.1/a.zip"
    assert "neither http nor https" in refusal(f"{server.url}/a.zip", target)


def test_a_failed_download_leaves_the_old_file(server: Any, tmp_path: Path) -> None:
    target = tmp_path / "a.zip"
    target.write_bytes(b"old")
    with pytest.raises(InputError):
        fetch(f"{server.url}/a.zip", target)
    assert target.read_bytes() == b"old"


def test_a_folder_that_cannot_be_written(server: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    server.files["/a.zip"] = CONTENT
    with pytest.raises(InputError, match="could not be downloaded"):
        fetch(f"{server.url}/a.zip", tmp_path / "file" / "a.zip")


def test_a_download_killed_half_way_leaves_no_file_of_the_final_name(tmp_path: Path) -> None:
    program = """
import socket, sys, threading
from pathlib import Path
from datasets.reading.download import Checksum, download
listener = socket.create_server(("127.0.0.1", 0))
def stall():
    connection, _ = listener.accept()
    connection.recv(4096)
    connection.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 900000\\r\\n\\r\\n" + b"x" * 600000)
    threading.Event().wait()
threading.Thread(target=stall, daemon=True).start()
url = f"http://127.0.0.1:{listener.getsockname()[1]}/a.zip"
download(url, Path(sys.argv[1]), Checksum("md5", "0" * 32), notify=print)
"""
    target = tmp_path / "a.zip"
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(target)],
        cwd=Path(__file__).parents[3],
        env={"no_proxy": "127.0.0.1"},
        stdout=subprocess.DEVNULL,
    )
    with process:
        try:
            while not any(part.stat().st_size for part in tmp_path.iterdir()):
                assert process.poll() is None
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
    assert not target.exists()


def test_short_texts(server: Any, dead_url: str, tmp_path: Path) -> None:
    server.files["/a.zip.md5"] = b"MD5 (a.zip) = 0123"
    assert fetch_text(f"{server.url}/a.zip.md5", tmp_path) == "MD5 (a.zip) = 0123"
    for url in (f"{server.url}/gone", dead_url):
        with pytest.raises(InputError, match="could not be downloaded"):
            fetch_text(url, tmp_path)
