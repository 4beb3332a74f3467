"""MedMNIST files: downloads that complete or leave nothing, foreign digests, and the way by hand."""

from __future__ import annotations

import hashlib
import http.server
import io
import shutil
import threading
import warnings

import numpy as np
import pytest

from benchmark.datasets import medmnist
from benchmark.datasets.base import DataError, DataWarning
from benchmark.datasets.medmnist import ChestMNIST, MedMNIST


def pack(arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


@pytest.fixture
def server(layout, monkeypatch):
    """A local server that plays the official source of breastmnist; `server.mode` chooses its behavior."""
    arrays = {k: v[..., 0] if "images" in k else v for k, v in layout(size=28, classes=2).items()}
    official_file = pack(arrays)

    class Server(http.server.ThreadingHTTPServer):
        mode, content = "whole", official_file

    class Handler(http.server.BaseHTTPRequestHandler):
        server: Server

        def do_GET(self):
            mode, content = self.server.mode, self.server.content
            if mode == "missing":
                self.send_error(404)
                return
            self.send_response(200)
            if mode != "no length":
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            body = {"cut": content[: len(content) // 2], "garbled": content[::-1]}.get(mode, content)
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with Server(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{httpd.server_address[1]}/breastmnist.npz"
        official = medmnist._info()["breastmnist"]
        changed = {**official, "url": url, "MD5": hashlib.md5(official_file).hexdigest()}
        monkeypatch.setattr(medmnist, "_info", lambda: {"breastmnist": changed})
        yield httpd
        httpd.shutdown()


def breast(root):
    return MedMNIST("breastmnist", MedMNIST.Config(), root)


@pytest.mark.parametrize("mode", ["whole", "no length"])
def test_download_completes_reports_progress_and_loads(server, tmp_path, mode):
    server.mode = mode
    seen = []
    dataset = breast(tmp_path / "new" / "root")
    before = dataset.digest()
    dataset.fetch(lambda *event: seen.append(event))
    assert seen[-1] == (
        "download breastmnist.npz",
        len(server.content),
        len(server.content) * (mode == "whole"),
    )
    assert dataset.path.read_bytes() == server.content
    assert dataset.digest() == before
    assert dataset.load().classes == ("malignant", "normal, benign")


@pytest.mark.parametrize(("mode", "word"), [("cut", "cut off"), ("garbled", "md5"), ("missing", "Not Found")])
def test_failed_download_leaves_nothing_and_names_the_manual_way(server, tmp_path, mode, word):
    server.mode = mode
    dataset = breast(tmp_path)
    with pytest.raises(DataError, match=word) as caught:
        dataset.fetch()
    assert str(tmp_path / "breastmnist.npz") in str(caught.value)
    assert "http://127.0.0.1" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_failed_download_can_be_repeated(server, tmp_path):
    server.mode = "cut"
    with pytest.raises(DataError):
        breast(tmp_path).fetch()
    server.mode = "whole"
    breast(tmp_path).fetch()
    assert len(breast(tmp_path).load().train) == 30


def test_interrupt_during_the_download_leaves_nothing(server, tmp_path):
    def interrupt(*event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        breast(tmp_path).fetch(interrupt)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_during_the_download_is_a_clear_error(server, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="No space left"):
        breast(tmp_path).fetch()
    assert list(tmp_path.iterdir()) == []


def test_present_file_is_not_downloaded_again(server, tmp_path):
    breast(tmp_path).fetch()
    server.mode = "missing"
    breast(tmp_path).fetch()


def test_absent_file_is_named_with_source_and_place(tmp_path):
    with pytest.raises(DataError) as caught:
        MedMNIST("bloodmnist", MedMNIST.Config(size=64), tmp_path).load()
    message = str(caught.value)
    assert str(tmp_path / "bloodmnist_64.npz") in message
    assert "https://zenodo.org/records/10519652/files/bloodmnist_64.npz" in message
    assert "2b94928a2ae4916078ca51e05b6b800b" in message


def test_digest_of_absent_file_is_the_official_one(tmp_path):
    digests = [MedMNIST("pathmnist", MedMNIST.Config(size=size), tmp_path).digest() for size in (28, 224)]
    assert digests == ["md5:a8b06965200029087d5bd730944a56c1", "md5:2c51a510bcdc9cf8ddb2af93af1eadec"]


def test_names_are_all_2d_sets_of_the_package():
    flat = {name for name in medmnist._info() if not name.endswith("3d")}
    assert flat == {*MedMNIST.names, *ChestMNIST.names}
    tasks = {name: info["task"] for name, info in medmnist._info().items() if name in flat}
    assert {name for name, task in tasks.items() if task.startswith("multi-label")} == set(ChestMNIST.names)


def test_foreign_digest_loads_with_a_warning(real, tmp_path):
    shutil.copy(real("pneumoniamnist.npz"), tmp_path)
    dataset = MedMNIST("pneumoniamnist", MedMNIST.Config(), tmp_path)
    with pytest.warns(DataWarning, match="not the official file"):
        digest = dataset.digest()
    assert digest != "md5:28209eda62fecd6e6a2d98b1501bb15f"
    data = dataset.load()
    assert data.val is not None
    assert (len(data.train), len(data.val), len(data.test)) == (4708, 524, 624)
    assert data.classes == ("normal", "pneumonia")


def test_official_digest_loads_without_a_warning(server, tmp_path):
    breast(tmp_path).fetch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        breast(tmp_path).digest()


def test_another_file_under_the_official_name_is_refused(layout, tmp_path):
    (tmp_path / "bloodmnist.npz").write_bytes(pack(layout(size=32, classes=8)))
    with pytest.raises(DataError, match="expected 28 px"):
        MedMNIST("bloodmnist", MedMNIST.Config(), tmp_path).load()


def test_labels_beyond_the_official_classes_are_refused(layout, tmp_path):
    (tmp_path / "bloodmnist.npz").write_bytes(pack(layout(size=28, classes=9)))
    with pytest.raises(DataError, match=r"expected 0\.\.7"):
        MedMNIST("bloodmnist", MedMNIST.Config(), tmp_path).load()


def test_multi_label_set_keeps_its_label_matrix(layout, tmp_path):
    arrays = {k: v[..., 0] if "images" in k else v for k, v in layout(size=28).items()}
    for split in ("train", "val", "test"):
        n = len(arrays[f"{split}_labels"])
        arrays[f"{split}_labels"] = np.random.default_rng(0).integers(0, 2, (n, 14), dtype=np.uint8)
    (tmp_path / "chestmnist.npz").write_bytes(pack(arrays))
    dataset = ChestMNIST("chestmnist", ChestMNIST.Config(), tmp_path)
    assert dataset.task == "multilabel"
    assert dataset.load().train.labels.shape == (30, 14)
