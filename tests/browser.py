"""A headless Chromium, driven through a pipe: no driver and no package is needed.

The browser reads commands from file descriptor 3 and writes answers and events to 4, as JSON that
ends with a zero byte (Chrome DevTools Protocol).
"""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SECONDS = 30.0
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--remote-debugging-pipe",
)
START = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Puts the two ends of the pipes where the browser expects them."""


def program() -> str | None:
    """Return the path of a browser, None if there is none."""
    return os.environ.get("VIZ_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page in a browser of its own.

    Attributes:
        problems: what the console said, and exceptions.
        requests: addresses that were asked for, but for the page itself.
    """

    def __init__(self) -> None:
        found = program()
        if found is None:
            raise FileNotFoundError(f"no browser: expected one of {', '.join(NAMES)} on the PATH")
        self.profile = tempfile.TemporaryDirectory(
            prefix="viz-browser-", ignore_cleanup_errors=True
        )
        take, self.write_end = os.pipe()
        self.read_end, give = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (take, give)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, *map(str, ends), found, *OPTIONS]
            + [f"--user-data-dir={self.profile.name}", "about:blank"],
            pass_fds=ends,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (take, give, *ends):
            os.close(end)
        self.numbers = itertools.count(1)
        self.rest = b""
        self.session: str | None = None
        self.events: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.requests: list[str] = []
        try:
            self.attach()
        except BaseException:
            self.close()
            raise

    def attach(self) -> None:
        """Find the page, and listen to what happens in it."""
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.size(1200, 800)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def read(self) -> dict[str, Any]:
        """Return the next message, having noted it if it is an event."""
        end = time.monotonic() + SECONDS
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.read_end], [], [], max(end - time.monotonic(), 0))
            chunk = os.read(self.read_end, 1 << 20) if ready else b""
            if not chunk:
                raise RuntimeError("the browser does not answer")
            self.rest += chunk
        text, _, self.rest = self.rest.partition(b"\0")
        message = json.loads(text)
        self.note(message)
        return message

    def note(self, message: dict[str, Any]) -> None:
        """Keep what went wrong, and what was asked for."""
        params = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.problems.append(json.dumps(params["exceptionDetails"])[:500])
            case "Log.entryAdded":
                self.problems.append(params["entry"]["text"])
            case "Runtime.consoleAPICalled":
                self.problems.append(json.dumps(params["args"])[:500])
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case str(method):
                self.events.append({"method": method, **params})

    def open(self, path: Path) -> None:
        """Open a file, and wait until it is there."""
        self.events.clear()
        self.problems.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.read()
        self.requests = [url for url in self.requests if not url.startswith("about:")]
        if self.requests[-1:] == [path.resolve().as_uri()]:
            self.requests.clear()

    def run(self, script: str) -> Any:
        """Return the value of an expression, as JSON knows it."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"])[:500])
        return found["result"].get("value")

    def size(self, width: int, height: int) -> None:
        """Give the window a size, in pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def media(self, **features: str) -> None:
        """Emulate media features: `media(prefers_color_scheme="dark")`."""
        named = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self.call("Emulation.setEmulatedMedia", features=named)

    def press(self, key: str, shift: bool = False) -> None:
        """Press and release a key, named as in JavaScript."""
        codes = {"Enter": 13, "Tab": 9, "Escape": 27, "Backspace": 8, " ": 32}
        arrows = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        code = codes.get(key) or arrows.get(key) or ord(key.upper()[0])
        common = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        text = {"text": "\r" if key == "Enter" else key} if len(key) == 1 or key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        self.call("Input.insertText", text=text)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """Send one event of the mouse."""
        self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, **more)

    def centre(self, selector: str) -> tuple[float, float]:
        """Return the middle of an element, in pixels of the window."""
        x, y = self.run(
            f"(b => [b.x + b.width / 2, b.y + b.height / 2])"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        return x, y

    def hover(self, selector: str) -> None:
        """Point at the middle of an element."""
        self.mouse("Moved", *self.centre(selector))

    def click(self, selector: str) -> None:
        """Click at the middle of an element."""
        self.click_at(*self.centre(selector))

    def click_at(self, x: float, y: float) -> None:
        """Click at a point."""
        self.mouse("Moved", x, y)
        for kind in ("Pressed", "Released"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def picture(self, path: Path | None = None) -> bytes:
        """Return a picture of the window as PNG."""
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        if path is not None:
            path.write_bytes(data)
        return data

    def close(self) -> None:
        """End the browser."""
        try:
            self.session = None
            self.call("Browser.close")
        except (RuntimeError, OSError):
            self.process.kill()
        self.process.wait(timeout=SECONDS)
        os.close(self.write_end)
        os.close(self.read_end)
        self.profile.cleanup()
