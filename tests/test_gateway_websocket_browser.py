"""A page in headless Chromium: WebSocket, EventSource and fetch, of the gateway's own origin and of another one."""

from __future__ import annotations

import http.server
import json
import shutil
import tempfile
import threading
from pathlib import Path

import pytest
from chat_backend import ChatServer
from gateway import Gateway
from twisted.internet import threads
from twisted.trial.unittest import TestCase

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

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
CORS = """\
[plugin:pages]
type = cors
allow_origins = http://localhost:{port}
allow_credentials = yes
[binding:pages]
plugin = pages
service = chat
environment = release
"""

SCRIPT = """
async (base) => {
  const found = {};
  const socket = (path, protocols, first, more) => new Promise((resolve) => {
    const ws = new WebSocket(base.replace("http", "ws") + path, protocols);
    const got = [];
    ws.binaryType = "arraybuffer";
    ws.onopen = () => { for (const each of first) ws.send(each); };
    ws.onmessage = (event) => {
      got.push(typeof event.data === "string" ? event.data : [...new Uint8Array(event.data)]);
      if (more.length) ws.send(more.shift());
    };
    ws.onclose = (event) => resolve([got, event.code, event.reason, ws.protocol]);
  });
  found.both = await socket("/v1/both/hall", [], ['{"text": "a"}'], ['{"text": "ä"}', ""]);
  const large = await socket("/v1/both/hall", [], [JSON.stringify({text: "x".repeat(200000)})], [""]);
  found.large = (large[0][0] || "").length;
  found.proto = await socket("/v1/both/hall", ["twistedgw.v1+proto"], [new Uint8Array([18, 1, 97])], [""]);
  found.watch = await socket("/v1/watch/hall?count=2", ["bearer", "abc.def"], [], []);
  found.fail = await socket("/v1/both/hall", [], ['{"text": "fail"}'], []);
  found.unary = await socket("/v1/one/hall", [], [], []);
  found.events = await new Promise((resolve) => {
    const source = new EventSource(base + "/v1/watch/hall?count=3");
    const got = [];
    source.onmessage = (event) => {
      got.push([event.lastEventId, JSON.parse(event.data).count || 0]);
      if (got.length === 3) { source.close(); resolve(got); }
    };
    source.onerror = () => { source.close(); resolve(["error", got]); };
  });
  const ask = async (path, options) => {
    try {
      const answer = await fetch(base + path, options);
      return [answer.status, answer.headers.get("x-request-id") !== null, (await answer.text()).length > 0];
    } catch (error) { return String(error); }
  };
  const headers = {"content-type": "application/json", "authorization": "Bearer x", "x-thing": "1"};
  found.post = await ask("/v1/both/hall", {method: "POST", headers, body: '{"text": "a"}', credentials: "include"});
  found.error = await ask("/v1/both/hall", {method: "POST", headers, body: "{"});
  found.method = await ask("/v1/one/hall", {method: "PUT", headers, body: "{}"});
  return found;
}
"""


class Pages(http.server.ThreadingHTTPServer):
    """Serves one empty page, of whatever origin it is reached by."""

    def __init__(self) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        super().__init__(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
class BrowserTests(TestCase):
    timeout = 120

    async def run_page(self, origin, cors):
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        self.server = ChatServer(folder)
        self.addCleanup(self.server.stop)
        pages = Pages()
        self.addCleanup(pages.stop)
        more = CORS.format(port=pages.server_address[1]) if cors else ""
        gateway = Gateway(folder, self.server.ini(more=more)).start()
        self.addCleanup(gateway.stop)
        base = f"http://127.0.0.1:{gateway.port}"
        url = f"{base}/v1/one/x" if origin == "own" else f"http://localhost:{pages.server_address[1]}/"

        def run():
            with sync_api.sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
                try:
                    page = browser.new_page()
                    page.goto(url)
                    return page.evaluate(SCRIPT, base)
                finally:
                    browser.close()

        return await threads.deferToThread(run)

    def check_open(self, found):
        texts = ['{"room":"hall","text":"a"}', '{"room":"hall","text":"ä"}']
        self.assertEqual(found["both"], [texts, 1000, "", ""])
        self.assertEqual(found["large"], 200_025)
        self.assertEqual(found["proto"], [[[10, 4, *b"hall", 18, 1, 97]], 1000, "", "twistedgw.v1+proto"])
        self.assertEqual(found["watch"][0], ['{"room":"hall"}', '{"room":"hall","count":1}'])
        self.assertEqual(found["watch"][1:], [1000, "", "bearer"])
        (last,), code, reason, _ = found["fail"]
        self.assertEqual((json.loads(last)["error"]["code"], code), (8, 4008))
        self.assertTrue(reason.startswith("no more of this"))
        self.assertEqual(found["unary"][:2], [[], 1006])
        self.assertEqual(found["events"], [["1", 0], ["2", 1], ["3", 2]])
        self.assertEqual((found["post"], found["error"]), ([200, True, True], [400, True, True]))

    async def test_a_page_of_the_gateway(self):
        found = await self.run_page("own", cors=False)
        self.check_open(found)
        self.assertEqual(found["method"], [405, True, True])

    async def test_a_page_that_cors_allows(self):
        found = await self.run_page("other", cors=True)
        self.check_open(found)
        self.assertEqual(found["method"], "TypeError: Failed to fetch")  # the preflight names GET and POST only
        self.assertIn("Bearer abc.def", [call[1].get("authorization") for call in self.server.calls])

    async def test_a_page_that_nothing_allows(self):
        found = await self.run_page("other", cors=False)
        self.assertEqual([found[name][1] for name in ("both", "proto", "watch")], [1006] * 3)
        self.assertEqual(found["events"], ["error", []])
        self.assertEqual([found[name] for name in ("post", "error", "method")], ["TypeError: Failed to fetch"] * 3)
        self.assertEqual([name for name, *_ in self.server.calls if name != "Down"], [])
