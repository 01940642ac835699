"""Every page in a real browser: light, dark and narrow; the token; what users write; services, backends, Try it."""

from __future__ import annotations

import os
import threading
import zipfile
from typing import ClassVar

from admin_site import OPERATORS_PLUGIN, SHOP
from console_world import SHOTS, ConsoleCase, expect, needs_browser
from twisted.internet import threads

PAGES = {
    "plugins": "/plugins",
    "create": "/plugins/-/new",
    "plugin": "/plugins/echo",
    "messages": "/plugins/echo?tab=messages&type=echo.v1.Words",
    "source": "/plugins/echo?tab=source&line=14",
    "used": "/plugins/echo?tab=used",
    "options": "/plugins/operators?tab=options",
    "edit": "/plugins/echo/edit",
    "versions": "/plugins/echo/versions",
    "services": "/services",
    "service": "/services/echo",
    "backends": "/backends",
    "routes": "/routes",
    "try": "/try?service=echo&environment=release&method=POST&path=/v1/say",
    "explain": "/explain?method=GET&url=/v1/sai/hello",
    "status": "/status",
    "audit": "/audit",
    "nowhere": "/nowhere",
}

FAINT = """
() => {
  const channel = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (text) => {
    if (!known.has(text)) known.set(text, drawn(text));
    return known.get(text);
  };
  const drawn = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r / 255, g / 255, b / 255, a / 255];
  };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    if (node.closest("[disabled], [aria-disabled='true'], textarea, noscript, option, .unseen, .skip")) continue;
    let back = null;
    for (let at = node; at && !back; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0.9) back = colour;
    }
    const [one, two] = [light(rgba(getComputedStyle(node).color)), light(back ?? [1, 1, 1])].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${node.className} ${walker.currentNode.data.trim().slice(0, 40)}`);
  }
  return [...new Set(found)];
}
"""

NAMELESS = """
() => [...document.querySelectorAll("button, a[href], input:not([hidden]), select, textarea, summary")]
  .filter((node) => node.checkVisibility())
  .filter((node) => !(node.getAttribute("aria-label") || node.textContent.trim() || node.labels?.length))
  .map((node) => node.outerHTML.slice(0, 200))
"""


@needs_browser
class PagesTests(ConsoleCase):
    parts: ClassVar[dict[str, str]] = {"more": OPERATORS_PLUGIN}

    async def test_every_page_light_dark_and_narrow(self):
        await self.bind_echo()
        narrow = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
        ways = {"light": {"color_scheme": "light"}, "dark": {"color_scheme": "dark"}, "narrow": narrow}

        def look(browser, way, context):
            with self.window(browser, **context) as window:
                window.sign_in()
                paper = window.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
                assert (paper == "rgb(19, 21, 24)") == (way == "dark"), paper
                for name, path in PAGES.items():
                    window.open(path)
                    wide = window.page.evaluate("document.documentElement.scrollWidth - innerWidth")
                    assert wide <= 0, (way, name, wide)
                    if way != "narrow":
                        assert window.page.evaluate(FAINT) == [], (way, name)
                        assert window.page.evaluate(NAMELESS) == [], (way, name)
                    if SHOTS in os.environ or name == "plugins":
                        window.shot(f"{way}-{name}")

        def run():
            with self.browser() as browser:
                for way, context in ways.items():
                    look(browser, way, context)

        await threads.deferToThread(run)

    async def test_token_and_theme(self):
        def run(window):
            page = window.page
            page.goto(f"{window.origin}/#/services")
            field = window.dialog.get_by_label("Admin token")
            page.keyboard.press("Escape")
            expect(field).to_be_visible()
            window.shot("sign-in", full=False)
            field.fill("wrong")
            page.keyboard.press("Enter")
            window.dialog.get_by_text("This is not the admin token").wait_for()
            field.fill(window.token)
            window.dialog.get_by_label("Your name").fill("Ada")
            window.button("Sign in").click()
            page.get_by_role("heading", name="Services", exact=True).wait_for()
            (self.folder / "admin.token").write_text("another-token-of-some-length-0123456789\n")
            page.get_by_role("link", name="Backends").click()
            window.dialog.get_by_text("This is not the admin token").wait_for()
            window.dialog.get_by_label("Admin token").fill(self.site.token)
            page.keyboard.press("Enter")
            page.get_by_role("heading", name="Backends").wait_for()
            theme = page.locator(".theme")
            for scheme in ("light", "dark"):
                theme.click()
                assert page.evaluate("document.documentElement.dataset.theme") == scheme
            page.reload()
            page.get_by_role("heading", name="Backends").wait_for()
            assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(19, 21, 24)"
            window.button("Sign out").click()
            window.dialog.get_by_label("Admin token").wait_for()
            assert page.evaluate("sessionStorage.length") == 0

        await self.look(run)

    async def test_what_users_write_is_text(self):
        evil = '<img src=x onerror="document.title=1"><b>bold</b>'
        proto = f'syntax = "proto3";\n// {evil}\nservice S {{ rpc A(M) returns (M); }}\n// {evil}\nmessage M {{ string a = 1; }}\n'
        source = {"files": [{"path": "s.proto", "content": proto}]}
        await self.ok("POST", "/v1/plugins?plugin_id=evil", {"type": "backend-grpc", "source": source})
        await self.ok("POST", "/v1/services?service_id=evil", {"description": evil})

        def run(window):
            window.sign_in()
            for path in (
                "/plugins/evil",
                "/plugins/evil?tab=messages",
                "/plugins/evil?tab=source",
                "/services",
                "/audit",
            ):
                window.open(path)
                window.page.get_by_text("<b>bold</b>").first.wait_for()
                assert window.page.locator("main img, main b:has-text('bold')").count() == 0, path
            window.open(f"/plugins?q={evil}")
            window.page.get_by_text("No plugin has these words").wait_for()

        await self.look(run)

    async def test_service_backend_and_api_from_nothing(self):
        def run(window):
            page = window.page
            window.sign_in("/backends")
            window.button("Create").click()
            dialog = window.dialog
            dialog.get_by_role("button", name="Create").click()
            dialog.locator("[aria-invalid='true']").first.wait_for()
            window.shows(dialog, "Is needed")
            dialog.get_by_label("Name", exact=True).fill("mine")
            dialog.get_by_label("Address").fill(self.backend.target)
            dialog.get_by_role("button", name="Create").click()
            window.said("mine is created")
            window.row("mine").wait_for()
            window.open("/services")
            window.button("Create").click()
            dialog.get_by_label("Name", exact=True).fill("words")
            dialog.get_by_label("Hosts").fill("words.example")
            page.keyboard.press("Enter")
            page.get_by_role("heading", name="words", exact=True).wait_for()
            window.button("Create API").last.click()
            dialog.get_by_label("Name", exact=True).fill("say")
            dialog.get_by_label("Backend").select_option("mine")
            dialog.get_by_label("Path", exact=True).fill("/say/{text")
            dialog.get_by_label("RPC").fill("echo.v1.Echo/Say")
            dialog.get_by_role("button", name="Create").click()
            dialog.locator(".fault:visible").first.wait_for()
            expect(dialog.get_by_label("Path", exact=True)).to_have_attribute("aria-invalid", "true")
            window.shot("api-fault", full=False)
            dialog.get_by_label("Path", exact=True).fill("/say/{text}")
            dialog.get_by_role("button", name="Create").click()
            window.said("say is created")
            page.get_by_text("none in release, prepub, test").wait_for()
            window.button("Take offline: prepub").click()
            window.dialog.get_by_role("button", name="Take offline").click()
            window.said("prepub is offline")
            window.button("Publish: prepub").wait_for()
            window.open("/services/echo")
            window.button("Edit own").click(force=True)
            page.locator("#warned .toast").filter(has_text="grpcgw.ini:").wait_for()
            window.open("/backends")
            window.button("Delete mine").click()
            dialog.get_by_role("button", name="Delete").click()
            dialog.get_by_text("services/words/apis/say").first.wait_for()

        await self.look(run)

    async def test_uploads(self):
        made = self.folder / "upload"
        made.mkdir()
        with zipfile.ZipFile(made / "shop.zip", "w") as archive:
            archive.writestr("api/protos/shop/v1/shop.proto", SHOP)
            archive.writestr("api/README.md", "not a proto")
        (made / "far.proto").write_text('syntax = "proto3";\n\nimport "near.proto";\n')
        (made / "near.proto").write_text('syntax = "proto3";\nmessage Near {}\n')
        (made / "note.txt").write_text("no")
        (made / "huge.proto").write_text('syntax = "proto3";\n//' + "x" * 1_048_576)

        def run(window):
            page = window.page
            window.sign_in("/plugins/-/new")
            window.choose_files(made / "note.txt")
            page.get_by_text("There is no .proto file among these").wait_for()
            window.choose_files(made / "far.proto")
            window.button("far.proto:3:1").wait_for()
            window.shows(page.locator(".problems"), "near.proto")
            window.choose_files(made / "near.proto")
            page.get_by_text("Valid, but it describes no service").wait_for()
            window.choose_files(made / "huge.proto")
            page.get_by_text("over 1 MiB").wait_for()
            page.locator(".problems").wait_for()
            window.choose_files(made / "shop.zip")
            page.get_by_text("Valid: 1 service, 2 methods").wait_for()
            expect(page.get_by_label("Name", exact=True)).to_have_value("shop")
            page.get_by_label("Name", exact=True).fill("not a name")
            window.button("Create").click()
            page.get_by_text("cannot be a name").wait_for()
            page.wait_for_function("document.activeElement.getAttribute('aria-invalid') === 'true'")
            page.get_by_label("Name", exact=True).fill("shop")
            page.get_by_text("Options (8)").click()
            page.get_by_label("unknown_query").select_option("ignore")
            window.button("Create").click()
            window.said("shop is created")
            plugin = window.api("GET", "/v1/plugins/shop")
            assert (plugin["services"], plugin["options"]) == (["shop.v1.Shop"], {"unknown_query": "ignore"})

        await self.look(run)


@needs_browser
class TryTests(ConsoleCase):
    def methods(self):
        self.more = threading.Event()
        self.addCleanup(self.more.set)

        def watch(request, _context):
            yield type(request)(text="first")
            assert self.more.wait(30)
            yield type(request)(text="second")

        return {"Watch": watch}

    async def test_a_form_and_a_stream(self):
        await self.bind_echo()

        def run(window):
            page = window.page
            window.sign_in("/try")
            box = page.get_by_role("combobox", name="Route")
            box.click()
            box.fill("say shout")
            page.get_by_role("option").filter(has_text=":shout").first.wait_for()
            page.keyboard.press("Enter")
            page.get_by_role("heading", name="Request").wait_for()
            window.button("Send").click()
            page.wait_for_function("document.activeElement.getAttribute('aria-invalid') === 'true'")
            page.keyboard.type("höllo/x")
            page.get_by_label("big", exact=False).first.fill("9007199254740993")
            page.get_by_label("mood", exact=False).first.select_option("GLAD")
            page.keyboard.press("Control+Enter")
            page.locator(".status", has_text="200 OK").wait_for()
            body = page.locator("pre.code").inner_text()
            for text in ('"höllo/x"', '"9007199254740993"', '"GLAD"'):
                assert text in body, body
            page.get_by_text("Headers (").click()
            page.get_by_text("x-request-id").wait_for()
            window.shot("try-answer")
            window.button("JSON").click()
            view = page.get_by_label("Message as JSON")
            assert '"höllo/x"' in view.input_value()
            view.fill("{")
            page.get_by_text("This is not JSON").wait_for()
            self.stream(window)
            window.open("/status")
            window.shows(window.page.locator("main"), window.api("GET", "/v1/status")["bridge"])

        await self.look(run)

    def stream(self, window):
        page = window.page
        window.open("/try?service=echo&environment=release&method=GET&path=/v1/watch")
        page.get_by_role("heading", name="Request").wait_for()
        window.button("Send").click()
        pieces = page.locator(".piece")
        pieces.filter(has_text="first").wait_for()
        expect(pieces).to_have_count(1)
        expect(window.button("Stop")).to_be_visible()
        self.more.set()
        pieces.filter(has_text="second").wait_for()
        window.button("Stop").wait_for(state="detached")
        window.shot("try-stream")
