"""Headless Chromium, Debian's own, with a microphone fed from a recording."""

from __future__ import annotations

import shutil
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from realtime.media.resample import Resampler

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HZ = 48_000


def found() -> str | None:
    """Return the browser's path, if it is installed."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def microphone(recording: Path, folder: Path, *, before_s: float, after_s: float) -> Path:
    """Write what the fake microphone says: silence, the recording, silence."""
    with wave.open(str(recording)) as spoken:
        words = spoken.readframes(spoken.getnframes())
        words = Resampler(spoken.getframerate(), HZ).process(words)
    path = folder / "microphone.wav"
    with wave.open(str(path), "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(HZ)
        for seconds in (before_s, None, after_s):
            silence = np.zeros(int(HZ * seconds) if seconds else 0, "<i2").tobytes()
            written.writeframes(words if seconds is None else silence)
    return path


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder; return its origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


def silence(folder: Path) -> Path:
    """Write what a fake microphone says that says nothing."""
    path = folder / "silence.wav"
    with wave.open(str(path), "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(HZ)
        written.writeframes(bytes(HZ * 2))
    return path


@contextmanager
def launched(
    speech: Path, *, hide_addresses: bool = False, udp: bool = True, one_address: bool = False
) -> Iterator[Browser]:
    """Run a browser whose microphone says the recording once; or one that may not use it."""
    options = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={speech}%noloop",
        "--autoplay-policy=no-user-gesture-required",
        "--no-sandbox",
    ]
    if hide_addresses:  # as browsers do that were not asked for the microphone
        options = ["--enable-features=WebRtcHideLocalIpsWithMdns", *options[1:]]
    if not udp:
        options.append("--webrtc-ip-handling-policy=disable_non_proxied_udp")
    elif one_address:
        options.append("--webrtc-ip-handling-policy=default_public_interface_only")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found(), headless=True, args=options)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def browsing(
    speech: Path, *, hide_addresses: bool = False, udp: bool = True, one_address: bool = False
) -> Iterator[Page]:
    """Have a page of such a browser."""
    with launched(
        speech, hide_addresses=hide_addresses, udp=udp, one_address=one_address
    ) as browser:
        yield browser.new_page()
