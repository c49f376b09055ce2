"""A headless Chromium with the network blocked, driven through its own debugging pipe: no port, no package.

It can do what a reader does (open, click, press keys, look) and it remembers what a reader does not see: every request,
every error in the console.
"""

from __future__ import annotations

import base64
import fcntl
import io
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
         "--hide-scrollbars",
         "--force-device-scale-factor=1", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
         "--remote-debugging-pipe", "about:blank")
KEYS = {"ArrowRight": 39, "ArrowLeft": 37, "Home": 36, "End": 35}
Rectangle = tuple[float, float, float, float]  # x, y, width, height in the window


@dataclass
class Frame:
    """One document in the page: the page itself or a frame inside it, with the context in which its scripts run."""

    browser: Chromium
    session: str
    context: int
    id: str

    def js(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self.browser.call("Runtime.evaluate", session=self.session, expression=expression,
                                   contextId=self.context, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def rectangle(self, selector: str) -> Rectangle:
        """Where the first element of a selector is in the page, frames' own places included."""
        x, y, width, height = self.js(f"(r => [r.x, r.y, r.width, r.height])"
                                      f"(document.querySelector({selector!r}).getBoundingClientRect())")
        left, top, scale = self.browser.place(self)
        return left + scale * x, top + scale * y, scale * width, scale * height


@dataclass
class Chromium:
    """A running browser with one page."""

    process: subprocess.Popen
    write: int
    read: int
    target: str = ""
    session: str = ""
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    _buffer: bytes = b""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def open(self, address: str, *, width: int = 1280, height: int = 900) -> None:
        """Show an address in a fresh page and wait until it has loaded and its mathematics is typeset."""
        if self.target:
            self.call("Target.closeTarget", targetId=self.target)
        self.requests, self.errors, self.frames, self._sessions = [], [], [], set()  # what comes late is not heard
        self.target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        self._watch(self.session, wait=True)
        self.call("Page.bringToFront", session=self.session)  # a page in the background gets no keys
        self.call("Emulation.setDeviceMetricsOverride", session=self.session, width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)
        self.call("Page.navigate", session=self.session, url=address)
        self.wait(f"location.href.startsWith({address.split('#')[0]!r}) && document.readyState === 'complete'")
        self.wait("!window.MathJax || !MathJax.startup || !MathJax.startup.promise"
                  " || MathJax.startup.promise.then(() => true)")
        self.rest()

    @property
    def page(self) -> Frame:
        """The page itself, not the frames inside it."""
        return next(frame for frame in reversed(self.frames) if not self._inner(frame))

    def inside(self, selector: str) -> list[Frame]:
        """The frames inside the page in which a selector finds something."""
        return [frame for frame in self.frames if self._inner(frame)
                and frame.js(f"!!document.querySelector({selector!r})")]

    def external(self) -> list[str]:
        """What was asked of another machine."""
        return [url for url in self.requests
                if urlsplit(url).scheme in ("http", "https", "ws", "wss") and urlsplit(url).hostname != "127.0.0.1"]

    def wait(self, condition: str, seconds: float = 20) -> None:
        """Wait until a JavaScript condition holds in the page."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(StopIteration, AssertionError, BrowserError):
                if self.page.js(condition):
                    return
            self.rest(0.1)
        raise AssertionError(f"waited {seconds} s in vain for {condition}; errors: {self.errors}")

    def rest(self, seconds: float = 0.3) -> None:
        """Let the browser work, and listen to it."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._receive(left)

    def look(self) -> bytes:
        """The window as a PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", session=self.session)["data"])

    def look_at(self, rectangle: Rectangle) -> bytes:
        """The pixels of a rectangle of the window, cut out here: a browser asked for a part drops clicks afterwards."""
        x, y, width, height = rectangle
        return Image.open(io.BytesIO(self.look())).convert("RGB").crop((x, y, x + width, y + height)).tobytes()

    def click(self, x: float, y: float) -> None:
        """A real click of the mouse."""
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", session=self.session, type=kind, x=x, y=y, button="left",
                      clickCount=1)
        self.rest()

    def press(self, key: str) -> None:
        """A real key."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", session=self.session, type=kind, key=key, code=key,
                      windowsVirtualKeyCode=KEYS[key])
        self.rest()

    def place(self, frame: Frame) -> tuple[float, float, float]:
        """Where a frame's upper left corner is in the window, and how much larger than life the frame is shown."""
        if not self._inner(frame):
            return 0.0, 0.0, 1.0
        owner = self.call("DOM.getFrameOwner", session=self.session, frameId=frame.id)["backendNodeId"]
        corners = self.call("DOM.getBoxModel", session=self.session, backendNodeId=owner)["model"]["content"]
        return corners[0], corners[1], (corners[2] - corners[0]) / frame.js("innerWidth")

    def show(self, frame: Frame) -> None:
        """Scroll the page so that a frame is in the window."""
        owner = self.call("DOM.getFrameOwner", session=self.session, frameId=frame.id)["backendNodeId"]
        self.call("DOM.scrollIntoViewIfNeeded", session=self.session, backendNodeId=owner)
        self.rest()

    def call(self, method: str, *, session: str = "", **parameters: Any) -> dict:
        """Send a command and wait for its answer."""
        number = self._send(method, session, parameters)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            for message in self._receive(end - time.monotonic()):
                if message.get("id") == number:
                    if "error" in message:
                        raise BrowserError(f"{method}: {message['error']['message']}")
                    return message["result"]
        raise BrowserError(f"{method}: no answer")

    def _inner(self, frame: Frame) -> bool:
        return frame.session != self.session or frame.id != self._main_frame

    _main_frame: str = ""
    _sessions: set[str] = field(default_factory=set)  # of the page that is open and of its frames

    def _watch(self, session: str, *, wait: bool = False) -> None:
        """Listen to a page or to a frame that runs in a process of its own."""
        self._sessions.add(session)
        commands: list[tuple[str, dict]] = [
            ("Page.enable", {}), ("Runtime.enable", {}), ("Network.enable", {}), ("Log.enable", {}), ("DOM.enable", {}),
            ("Network.setCacheDisabled", {"cacheDisabled": True}),  # a page changed within a second is another page
            ("Target.setAutoAttach", {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True})]
        if wait:
            for method, parameters in commands:
                self.call(method, session=session, **parameters)
            self._main_frame = self.call("Page.getFrameTree", session=session)["frameTree"]["frame"]["id"]
        else:
            for method, parameters in [*commands, ("Runtime.runIfWaitingForDebugger", {})]:
                self._send(method, session, parameters)

    def _send(self, method: str, session: str, parameters: dict) -> int:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.write, data):]
        return number

    def _receive(self, seconds: float) -> list[dict]:
        ready, _, _ = select.select([self.read], [], [], max(0.0, seconds))
        if not ready:
            return []
        data = os.read(self.read, 1 << 20)
        if not data:
            raise BrowserError("the browser has gone")
        *whole, self._buffer = (self._buffer + data).split(b"\0")
        messages = [json.loads(message) for message in whole]
        for message in messages:
            if "method" in message:
                self._event(message["method"], message["params"], message.get("sessionId", ""))
        return messages

    def _event(self, method: str, about: dict, session: str) -> None:
        if session not in self._sessions:
            return
        if method == "Target.attachedToTarget":
            self._watch(about["sessionId"])
        elif method == "Target.detachedFromTarget":  # a page that draws itself anew throws frames away
            self.frames = [f for f in self.frames if f.session != about["sessionId"]]
        elif method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requests.append(about["url"])
        elif method == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "assert"):
            self.errors.append(" ".join(str(a.get("value", a.get("description"))) for a in about["args"]))
        elif method == "Log.entryAdded" and about["entry"]["level"] == "error":
            entry = about["entry"]
            self.errors.append(f"{entry['text']} {entry.get('url', '')}")
            if entry["source"] == "network" and "url" in entry:  # a frame's first requests may come before its session
                self.requests.append(entry["url"])
        elif method == "Runtime.executionContextCreated":
            data = about["context"].get("auxData", {})
            if data.get("isDefault"):
                self.frames.append(Frame(self, session, about["context"]["id"], data["frameId"]))
        elif method == "Runtime.executionContextDestroyed":
            self.frames = [f for f in self.frames if (f.session, f.context) != (session, about["executionContextId"])]
        elif method == "Runtime.executionContextsCleared":
            self.frames = [f for f in self.frames if f.session != session]


class BrowserError(RuntimeError):
    """The browser refused a command or is gone."""


@contextmanager
def chromium(folder: Path) -> Iterator[Chromium]:
    """Run a browser whose profile is an empty folder; it is gone afterwards, whatever happens."""
    assert PROGRAM, "no Chromium here"
    commands, answers = os.pipe(), os.pipe()
    theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (commands[0], answers[1])]  # 3 and 4 must be free

    def connect() -> None:  # Chromium reads commands from 3 and answers on 4
        os.dup2(theirs[0], 3)
        os.dup2(theirs[1], 4)

    process = subprocess.Popen([PROGRAM, f"--user-data-dir={folder}", *FLAGS], preexec_fn=connect, pass_fds=(3, 4),
                               start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for end in (*theirs, commands[0], answers[1]):
        os.close(end)
    browser = Chromium(process, write=commands[1], read=answers[0])
    try:
        yield browser
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(commands[1])
        os.close(answers[0])
