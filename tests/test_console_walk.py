"""The walk of the document that the console is from, in a real browser, to a real gRPC backend."""

from __future__ import annotations

from console_world import ConsoleCase, ask, expect, needs_browser, reason_of
from grpc_backend import ECHO_PROTO

BROKEN = ECHO_PROTO.replace("int64 big = 2;", "int65 big = 2;")
BREAKING = ECHO_PROTO.replace("double ratio = 9;", "string ratio = 9;")


@needs_browser
class WalkTests(ConsoleCase):
    def own(self):
        return ask(f"{self.door}/own/hello", "PUT", {"big": "7"})

    async def test_create_bind_edit_unbind_delete(self):
        def walk(window):
            self.create(window)
            self.bind(window)
            self.edit(window)
            self.refuse_to_delete(window)
            self.unbind_and_delete(window)

        await self.look(walk)

    def create(self, window):
        status, body = self.own()
        assert (status, reason_of((status, body))) == (500, "PLUGIN_NOT_BOUND")
        window.sign_in()
        page = window.page
        page.get_by_text("There is no plugin yet").wait_for()
        page.get_by_role("navigation", name="Console").get_by_role("link", name="System Plugin").click()
        page.locator(".bar").get_by_role("link", name="Create").click()
        expect(page.get_by_role("radio", name="Backend gRPC")).to_be_checked()
        window.choose_files(self.folder / "echo.proto")
        page.get_by_text("Valid: 1 service, 5 methods").wait_for()
        expect(page.get_by_label("Name", exact=True)).to_have_value("echo")
        window.shot("walk-1-create")
        window.button("Create").click()
        window.said("echo is created")
        row = window.row("echo.v1.Echo")
        window.shows(row.get_by_role("cell").nth(4), "just now")
        cells = row.get_by_role("cell").all_inner_texts()
        assert [cells[0], cells[1], cells[3], cells[4]] == ["echo", "Backend gRPC", "0", "just now"], cells
        expect(row.get_by_role("button")).to_have_text(["Bind API", "Delete"])
        expect(row.locator(".ops a")).to_have_text(["Edit", "Versions"])

    def bind(self, window):
        page = window.page
        window.button("Bind API: echo").click()
        dialog = window.dialog
        expect(dialog.get_by_label("Service")).to_have_value("echo")
        dialog.get_by_label("Environment").select_option("release")
        expect(dialog.get_by_role("button", name="OK")).to_be_disabled()
        dialog.locator(".pick").filter(has_text="/own/{text}").get_by_role("checkbox").check()
        dialog.get_by_text("Binds 1 API").wait_for()
        window.shot("walk-2-bind", full=False)
        dialog.get_by_role("button", name="OK").click()
        window.said("1 API bound in echo / release")
        assert self.own() == (200, {"text": "hello", "big": "7"})
        page.get_by_role("link", name="1 API bound").click()
        window.shows(window.row("release"), "own")
        window.open("/plugins")
        window.button("Bind API: echo").click()
        pick = window.dialog.locator(".pick").filter(has_text="/own/{text}")
        expect(pick.get_by_role("checkbox")).to_be_checked()
        window.shows(pick, "bound")
        page.keyboard.press("Escape")
        page.wait_for_function("document.activeElement.textContent === 'Bind API'")

    def edit(self, window):
        page = window.page
        page.get_by_role("link", name="Edit echo").click()
        editor = page.get_by_role("textbox", name="echo.proto")
        editor.fill(BROKEN)
        window.button("Review and save").click()
        line = BROKEN.split("\n").index("  int65 big = 2;") + 1
        place = page.get_by_role("button", name=f"echo.proto:{line}:3")
        place.wait_for()
        window.shows(page.locator(".problems"), "int65")
        window.shows(page.locator(".editor .gutter .wrong"), str(line))
        place.click()
        assert page.evaluate("[document.activeElement.selectionStart, document.activeElement.tagName]") == [
            BROKEN.index("int65"),
            "TEXTAREA",
        ]
        window.shot("walk-3-broken")
        assert self.own() == (200, {"text": "hello", "big": "7"})
        editor.fill(BREAKING)
        window.button("Review and save").click()
        dialog = window.dialog
        dialog.get_by_text("This can break clients").wait_for()
        window.shows(dialog, "ratio")
        window.shot("walk-4-review", full=False)
        dialog.get_by_role("button", name="Save all the same").click()
        window.said("echo is saved as version 2")
        assert ask(f"{self.door}/own/hello", "PUT", {"ratio": "as text"})[1]["ratio"] == "as text"
        page.get_by_role("link", name="Versions").click()
        page.get_by_role("heading", name="Versions of echo").wait_for()
        window.button("Restore version 1").click()
        window.dialog.wait_for()
        window.shot("walk-5-restore", full=False)
        window.dialog.get_by_role("button", name="Restore all the same").click()
        window.said("Version 1 is restored as version 3")
        assert ask(f"{self.door}/own/hello", "PUT", {"ratio": "as text"})[0] == 400

    def refuse_to_delete(self, window):
        window.open("/plugins")
        window.button("Delete echo").click()
        dialog = window.dialog
        window.shows(dialog, "echo / release / own")
        dialog.get_by_role("button", name="Delete").click()
        dialog.get_by_text("in use").first.wait_for()
        window.shot("walk-6-refused", full=False)
        dialog.get_by_role("button", name="Cancel").click()
        assert self.own()[0] == 200

    def unbind_and_delete(self, window):
        window.open("/plugins/echo?tab=used")
        window.button("Unbind own in release").click()
        window.dialog.get_by_role("button", name="Unbind").click()
        window.said("own is unbound in release")
        assert reason_of(self.own()) == "PLUGIN_NOT_BOUND"
        window.open("/plugins")
        window.button("Delete echo").click()
        window.dialog.get_by_role("button", name="Delete").click()
        window.page.get_by_text("There is no plugin yet").wait_for()
        window.open("/audit")
        text = window.page.locator("main").inner_text()
        for word in ("Create plugin", "Bind plugin", "Restore plugin version", "Delete plugin"):
            assert word in text, (word, text)

    async def test_delete_what_is_bound_where_that_is_confirmed(self):
        await self.bind_echo()

        def walk(window):
            assert self.own()[0] == 200
            window.sign_in()
            window.button("Delete echo").click()
            window.dialog.get_by_role("checkbox").check()
            window.dialog.get_by_role("button", name="Delete").click()
            window.said("echo is deleted")
            assert reason_of(self.own()) == "PLUGIN_NOT_BOUND"

        await self.look(walk)

    async def test_keyboard_only(self):
        def walk(window):
            window.sign_in()
            keys = window.page.keyboard
            keys.press("c")
            window.page.get_by_role("heading", name="Create a plugin").wait_for()
            self.tab_to(window, "Backend gRPC")
            self.tab_to(window, "Name")
            keys.type("by-keys")
            self.tab_to(window, "Files")
            keys.press("ArrowRight")
            window.page.get_by_role("textbox", name="by-keys.proto").wait_for()
            keys.press("Control+End")
            keys.type("service S { rpc Go(M) returns (M); }\nmessage M { string a = 1; }\n")
            keys.press("Control+Enter")
            window.said("by-keys is created")
            window.shows(window.row("by-keys"), "example.v1.S")
            self.tab_to(window, "Bind API: by-keys")
            keys.press("Enter")
            window.dialog.wait_for()
            inside = "document.querySelector('dialog').contains(document.activeElement)"
            for _ in range(12):
                assert window.page.evaluate(inside) or window.page.evaluate("document.activeElement === document.body")
                keys.press("Tab")
            keys.press("Escape")
            assert self.focused(window) == "Bind API: by-keys"

        await self.look(walk)

    def tab_to(self, window, name):
        for _ in range(40):
            if self.focused(window).startswith(name):
                return
            window.page.keyboard.press("Tab")
        raise AssertionError(f"no way to {name} by the keyboard")

    def focused(self, window):
        return window.page.evaluate(
            "(() => { const at = document.activeElement;"
            " return at.getAttribute('aria-label') ?? at.labels?.[0]?.innerText ?? at.textContent; })()"
        )
