"""A gateway with its console, and a headless Chromium that looks at it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from admin_site import AdminCase
from twisted.internet import threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")

expect = sync_api.expect
"""Waits, where an assertion would look once."""

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium")

VIEWPORT = {"width": 1280, "height": 860}

SHOTS = "TWISTEDGW_SHOTS"
"""The variable that names the folder where screenshots are put."""


def reason_of(answer: tuple[int, Any]) -> str:
    return next(each["reason"] for each in answer[1]["details"] if "reason" in each)


class Window:
    """A page of the browser, at the console; every complaint of the browser is kept in `complaints`."""

    def __init__(self, page: Any, origin: str, token: str, shots: Path) -> None:
        self.page = page
        self.origin = origin
        self.token = token
        self.shots = shots
        self.complaints: list[str] = []
        page.set_default_timeout(30_000)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning") and "the server responded with a status of" not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((f"{self.origin}/", "blob:")):
            self.complaints.append(f"asks another origin: {request.url}")

    def sign_in(self, path: str = "/plugins") -> None:
        """Come in by the address with the token."""
        self.page.goto(f"{self.origin}/#token={self.token}")
        self.page.locator("h1").wait_for()
        self.open(path)

    def open(self, path: str) -> None:
        """Go to a page, and wait until it is there."""
        self.page.evaluate(
            "path => { if (location.hash !== `#${path}`) document.querySelector('h1')?.remove(); location.hash = path; }",
            path,
        )
        self.page.locator("h1").wait_for()

    def shot(self, name: str, *, full: bool = True) -> None:
        if full:
            self.page.evaluate("window.scrollTo(0, 0)")
        self.page.screenshot(path=self.shots / f"{name}.png", full_page=full, animations="disabled")

    def button(self, name: str, exact: bool = True) -> Any:
        return self.page.get_by_role("button", name=name, exact=exact)

    def row(self, text: str) -> Any:
        return self.page.get_by_role("row").filter(has_text=text)

    @property
    def dialog(self) -> Any:
        return self.page.locator("dialog[open]")

    def shows(self, locator: Any, text: str) -> None:
        """Wait until a text is somewhere in what a locator finds."""
        expect(locator).to_contain_text(text)

    def said(self, text: str) -> None:
        """Wait for a word about what was done."""
        self.page.locator("#said .toast").filter(has_text=text).first.wait_for()

    def choose_files(self, *paths: Path) -> None:
        with self.page.expect_file_chooser() as chooser:
            self.button("Choose files").click()
        chooser.value.set_files([str(path) for path in paths])

    def api(self, method: str, target: str, body: Any = None) -> Any:
        status, answer = ask(f"{self.origin}{target}", method, body, self.token)
        assert status == 200, (method, target, answer)
        return answer


def ask(url: str, method: str = "GET", body: Any = None, token: str = "") -> tuple[int, Any]:
    """Send a request; give status and JSON of its answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(url, method=method, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


class ConsoleCase(AdminCase):
    """`look(run)` runs a function of a `Window` in a thread, while the gateway serves in this one."""

    timeout = 120

    def setUp(self) -> None:
        super().setUp()
        named = os.environ.get(SHOTS)
        self.shots = Path(named) if named else Path(tempfile.mkdtemp())
        self.shots.mkdir(parents=True, exist_ok=True)
        if not named:
            self.addCleanup(shutil.rmtree, self.shots)
        self.door = f"http://127.0.0.1:{self.site.gateway.port}"

    async def look(self, run: Callable[[Window], Any], **context: Any) -> Any:
        def work() -> Any:
            with self.browser() as browser, self.window(browser, **context) as window:
                return run(window)

        return await threads.deferToThread(work)

    @contextmanager
    def browser(self) -> Iterator[Any]:
        with sync_api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            try:
                yield browser
            finally:
                browser.close()

    @contextmanager
    def window(self, browser: Any, **context: Any) -> Iterator[Window]:
        made = browser.new_context(**{"viewport": VIEWPORT, "reduced_motion": "reduce", **context})
        origin = f"http://127.0.0.1:{self.site.port}"
        window = Window(made.new_page(), origin, self.site.token, self.shots)
        try:
            yield window
            assert window.complaints == [], window.complaints
        except Exception as error:
            window.shot("failed")
            if window.complaints:
                raise AssertionError(window.complaints) from error
            raise
        finally:
            made.close()
