"""Network cameras against a real server of RTSP and MJPEG."""

from __future__ import annotations

import http.server
import os
import threading
import time
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from fakes import FakeRecorder
from streaming import FPS, VLC, Streamer, enormous_picture, second_of
from support import wait_for

from inspector.build import build_camera
from inspector.cameras.mjpeg import MjpegCamera
from inspector.cameras.opencv import LiveCamera
from inspector.cameraspecs import OpenCvCamera
from inspector.domain import Frame
from inspector.errors import CameraError, PictureError
from inspector.eyes import Eye
from inspector.ports import Camera


@pytest.fixture(params=["rtsp", "http"])
def streamer(request: pytest.FixtureRequest) -> Iterator[Streamer]:
    if VLC is None:
        missing = "VLC is not installed: apt install vlc-bin vlc-plugin-base"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    made = Streamer(request.param)
    yield made
    made.close()


def camera_at(url: str) -> Camera:
    return build_camera(OpenCvCamera(kind="opencv", name="top", device=url))


class Filming:
    """A camera in its thread, as in a station."""

    def __init__(self, camera: Camera) -> None:
        self.frames: list[tuple[float, Frame]] = []
        self.recorder = FakeRecorder()
        self.eye = Eye("top", camera, 0.05, self._take, self.recorder, time.monotonic)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self.eye.film, args=(self._stopping,))
        self._thread.start()

    def _take(self, frame: Frame) -> None:
        self.frames.append((time.monotonic(), frame))

    def wait_for(self, count: int, width: int = 0) -> list[tuple[float, Frame]]:
        def found() -> list[tuple[float, Frame]]:
            return [one for one in list(self.frames) if width in (0, one[1].size[0])]

        wait_for(lambda: len(found()) >= count, 30, f"{count} frames, problem {self.recorder.events}")
        return found()

    def stop(self) -> None:
        self._stopping.set()
        self.eye.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def filming(streamer: Streamer) -> Iterator[Filming]:
    made = Filming(camera_at(streamer.url))
    yield made
    made.stop()


def test_a_stream_is_filmed_fresh_and_found_again_in_another_size(
    streamer: Streamer, filming: Filming
) -> None:
    # the camera is switched on after the station
    wait_for(lambda: filming.recorder.named("camera-lost"), 10)
    streamer.start((160, 120))
    frames = filming.wait_for(12)
    assert [frame.index for _, frame in frames] == list(range(len(frames)))
    assert {(frame.size, frame.source) for _, frame in frames} == {((160, 120), "top")}
    assert not any(frame.recorded or frame.repeats for _, frame in frames)
    # each was exposed when the film showed it, as well as its grey tells
    begins = [frame.exposed_s - second_of(frame.image) for _, frame in frames]
    assert max(begins) - min(begins) < 1.0, begins
    # and each is fresh when it was exposed
    assert all(-0.001 <= at - frame.exposed_s < 0.7 for at, frame in frames)
    pace = np.diff([frame.exposed_s for _, frame in frames])
    assert np.median(pace) == pytest.approx(1 / FPS, abs=0.03)

    streamer.stop()
    wait_for(lambda: filming.eye.lost, 10)
    streamer.start((320, 240))
    back = filming.wait_for(3, width=320)
    assert {frame.size for _, frame in back} == {(320, 240)}
    assert not filming.eye.lost
    assert filming.recorder.named("camera-back")
    assert [frame.index for _, frame in filming.frames] == list(range(len(filming.frames)))


# --- what a real server does not do on demand --------------------------------------------------------


def jpeg(mark: int) -> bytes:
    image = np.full((16, 16, 3), mark, np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with what the test has put into ``server.answer``."""

    def do_GET(self) -> None:
        self.server.answer(self)  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass

    def begin(self, kind: str = "multipart/x-mixed-replace; boundary=cut") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def picture(self, data: bytes, *, length: bool = True, told_s: float | None = None) -> None:
        head = b"--cut\r\nContent-Type: image/jpeg\r\n"
        head += b"Content-Length: %d\r\n" % len(data) if length else b""
        head += b"X-Timestamp: %f\r\n" % told_s if told_s is not None else b""
        self.wfile.write(head + b"\r\n" + data + b"\r\n")


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join(5)


def reader(server: http.server.ThreadingHTTPServer, answer: object, login: str = "") -> MjpegCamera:
    server.answer = answer  # type: ignore[attr-defined]
    url = f"http://{login}127.0.0.1:{server.server_port}/"
    camera = camera_at(url)
    assert isinstance(camera, MjpegCamera)
    return camera


def mark(frame: Frame | None) -> int:
    assert frame is not None
    return round(float(frame.image.mean()))


@pytest.mark.parametrize("length", [True, False])
def test_of_pictures_that_wait_the_newest_is_read(
    server: http.server.ThreadingHTTPServer, length: bool
) -> None:
    sent, go_on, taken = threading.Event(), threading.Event(), threading.Event()

    def answer(handler: Handler) -> None:
        handler.begin()
        handler.picture(jpeg(10), length=length)
        assert go_on.wait(10)
        for number in (20, 30, 40):
            handler.picture(jpeg(number), length=length)
        sent.set()
        assert taken.wait(10)
        handler.picture(jpeg(50), length=length)

    camera = reader(server, answer)
    assert mark(camera.read()) == 10
    go_on.set()
    assert sent.wait(10)
    assert mark(camera.read()) == 40
    taken.set()
    assert mark(camera.read()) == 50
    with pytest.raises(CameraError, match="has ended its stream"):
        camera.read()
    camera.close()
    assert camera.read() is None


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        ("text/html", b"<html>", "sends 'text/html', not MJPEG"),
        ("multipart/x-mixed-replace", b"", "not MJPEG"),
        ("multipart/x-mixed-replace; boundary=cut", b"--cut\r\n\r\nno picture at all" * 9, "no JPEG"),
    ],
)
def test_what_is_no_mjpeg_is_told(
    server: http.server.ThreadingHTTPServer, kind: str, body: bytes, message: str
) -> None:
    def answer(handler: Handler) -> None:
        handler.begin(kind)
        handler.wfile.write(body)

    camera = reader(server, answer)
    with pytest.raises(CameraError, match=message):
        camera.read()
    camera.close()


def test_a_picture_that_is_cut_short_is_told_and_the_next_one_read(
    server: http.server.ThreadingHTTPServer,
) -> None:
    taken = threading.Event()

    def answer(handler: Handler) -> None:
        handler.begin()
        handler.picture(jpeg(10)[:-40])
        assert taken.wait(10)
        handler.picture(jpeg(20))

    camera = reader(server, answer)
    with pytest.raises(CameraError, match="sent a picture that cannot be read"):
        camera.read()
    taken.set()
    assert mark(camera.read()) == 20
    camera.close()


@pytest.mark.parametrize("length", [b"-1", b"-9999999", b"twelve"])
def test_a_length_that_is_none_is_no_mjpeg(
    server: http.server.ThreadingHTTPServer, length: bytes
) -> None:
    def answer(handler: Handler) -> None:
        handler.begin()
        handler.wfile.write(b"--cut\r\nContent-Length: " + length + b"\r\n\r\n" + jpeg(10))

    camera = reader(server, answer)
    with pytest.raises(CameraError, match="delivers no picture any more"):
        camera.read()
    camera.close()


def test_a_part_without_content_is_passed_over(server: http.server.ThreadingHTTPServer) -> None:
    def answer(handler: Handler) -> None:
        handler.begin()
        handler.picture(b"")
        handler.picture(jpeg(10))

    camera = reader(server, answer)
    assert mark(camera.read()) == 10
    camera.close()


def test_a_picture_larger_than_any_is_told(server: http.server.ThreadingHTTPServer) -> None:
    def answer(handler: Handler) -> None:
        handler.begin()
        handler.picture(enormous_picture())

    camera = reader(server, answer)
    with pytest.raises(PictureError, match="sent a picture that cannot be read"):
        camera.read()
    camera.close()


@pytest.mark.parametrize("password", ["se[cret", "se@cret", "s:e@c:ret"])
def test_a_password_with_characters_of_a_url_is_told_and_not_shown(password: str) -> None:
    camera = camera_at(f"http://line:{password}@127.0.0.1:1/")
    with pytest.raises(CameraError, match=r"line:\*\*\*@127") as caught:
        camera.read()
    assert "ret" not in str(caught.value)
    camera.close()


def test_a_password_is_sent_and_never_shown(server: http.server.ThreadingHTTPServer) -> None:
    asked: list[str | None] = []

    def answer(handler: Handler) -> None:
        asked.append(handler.headers["Authorization"])
        if asked[-1] is None:
            handler.send_response(401)
            handler.send_header("WWW-Authenticate", 'Basic realm="camera"')
            handler.end_headers()
            return
        handler.begin("text/html")

    camera = reader(server, answer, "line:s3%40cret@")
    with pytest.raises(CameraError, match=r"line:\*\*\*@127") as caught:
        camera.read()
    assert "cret" not in str(caught.value)
    assert asked == [None, "Basic bGluZTpzM0BjcmV0"]
    camera.close()


def test_a_stream_whose_server_is_not_there_is_told() -> None:
    for url, kind in (("http://127.0.0.1:1/", MjpegCamera), ("rtsp://127.0.0.1:1/", LiveCamera)):
        camera = camera_at(url)
        assert isinstance(camera, kind)
        with pytest.raises(CameraError, match="cannot be opened"):
            camera.read()
        camera.close()
