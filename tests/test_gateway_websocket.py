"""WebSockets through a whole gateway, with a client that we did not write, over both bridges."""

from __future__ import annotations

import base64
import inspect
import json
import os
import shutil
import socket
import ssl
import tempfile
import threading
import time
from pathlib import Path

import trustme
from chat_backend import ChatServer
from gateway import Gateway
from twisted.internet import reactor, threads
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import TestCase
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

DIRECT = {"proxy": None} if "proxy" in inspect.signature(connect).parameters else {}
JSON, PROTO = "twistedgw.v1+json", "twistedgw.v1+proto"


class Base(TestCase):
    bridge = "asyncio"
    timeout = 60

    def start(self, answer=None, **ini):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = ChatServer(self.folder, answer)
        self.addCleanup(self.server.stop)
        self.gateway = Gateway(self.folder, self.server.ini(bridge=self.bridge, **ini)).start()
        self.addCleanup(self.gateway.stop)
        return self.gateway

    async def talk(self, path, script, *protocols, **options):
        """Run `script(client)` in a thread; give what it returns."""
        url = f"ws://127.0.0.1:{self.gateway.port}{path}"

        def run():
            with connect(url, subprotocols=protocols or None, open_timeout=20, **DIRECT, **options) as client:
                return script(client)

        return await threads.deferToThread(run)

    async def settled(self):
        """Every lease has come back."""
        while self.gateway.service.registry.in_flight:
            await deferLater(reactor, 0.01)

    async def refused(self, path, *protocols, **options):
        """Give status and reason of a handshake that is refused."""
        try:
            await self.talk(path, lambda client: None, *protocols, **options)
        except InvalidStatus as error:
            details = json.loads(error.response.body)["details"]
            return error.response.status_code, details[0]["reason"], error.response.headers
        raise AssertionError("the handshake was accepted")


def rest(client):
    """All that comes until the close, and the close itself."""
    found = []
    try:
        while True:
            found.append(client.recv(20))
    except ConnectionClosed as closed:
        return found, (closed.rcvd.code, closed.rcvd.reason)


def handshake(path="/v1/both/hall", **fields):
    """A handshake as text, for clients that misbehave."""
    known = {"Host": "x", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    known |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **fields}
    lines = "".join(f"{name}: {value}\r\n" for name, value in known.items())
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


def masked(opcode, data):
    return Frame(opcode, data).serialize(mask=True)


class WebSocketTests(Base):
    async def test_both_ways_in_turn(self):
        self.start()

        def script(client):
            answers = []
            for text in ("a", "b", "ä" * 3000):
                client.send(json.dumps({"text": text}))
                answers.append(json.loads(client.recv(20)))
            client.send("")
            return answers, rest(client)

        answers, left = await self.talk("/v1/both/hall", script)
        self.assertEqual(answers, [{"room": "hall", "text": text} for text in ("a", "b", "ä" * 3000)])
        self.assertEqual(left, ([], (1000, "")))

    async def test_many_up_and_one_down(self):
        self.start()

        def script(client):
            for _ in range(500):
                client.send('{"text": "x"}')
            client.send("")
            return rest(client)

        (answer,), close = await self.talk("/v1/up/hall", script)
        self.assertEqual(json.loads(answer), {"room": "hall", "count": 500, "text": "x" * 500})
        self.assertEqual(close, (1000, ""))

    async def test_one_up_and_many_down(self):
        self.start()

        def script(client):
            client.send('{"count": 500, "text": "a"}')
            return rest(client)

        answers, close = await self.talk("/v1/down/hall", script)
        self.assertEqual([json.loads(each).get("count", 0) for each in answers], list(range(500)))
        self.assertEqual(close, (1000, ""))

    async def test_a_request_in_the_url(self):
        self.start()
        answers, _ = await self.talk("/v1/watch/hall?count=2&text=a", rest)
        self.assertEqual([json.loads(each) for each in answers], [
            {"room": "hall", "text": "a"}, {"room": "hall", "text": "a", "count": 1},
        ])  # fmt: skip

    async def test_protobuf(self):
        self.start()
        note = self.server.note

        def script(client):
            client.send(note(text="a").SerializeToString())
            return client.subprotocol, client.recv(20)

        subprotocol, answer = await self.talk("/v1/both/hall", script, PROTO)
        self.assertEqual(subprotocol, PROTO)
        self.assertEqual(note.FromString(answer), note(room="hall", text="a"))

    async def test_an_error_of_the_backend(self):
        self.start()

        def script(client):
            client.send('{"text": "a"}')
            client.send('{"text": "fail"}')
            return rest(client)

        (first, last), (code, reason) = await self.talk("/v1/both/hall", script)
        self.assertEqual(json.loads(first)["text"], "a")
        self.assertEqual(
            json.loads(last), {"error": {"code": 8, "message": "no more of this, " + "x" * 200, "details": []}}
        )
        self.assertEqual(code, 4008)
        self.assertTrue(reason.startswith("no more of this, x"))

    async def test_a_backend_that_is_not_there(self):
        self.start()
        self.server.stop()
        (last,), (code, _) = await self.talk("/v1/both/hall", rest)
        self.assertEqual((json.loads(last)["error"]["code"], code), (14, 4014))

    async def test_a_malformed_message_cancels_the_call(self):
        self.start()

        def script(client):
            client.send('{"text": "a"}')
            client.recv(20)
            client.send('{"text": "b"} x')
            return rest(client)

        found, (code, reason) = await self.talk("/v1/both/hall", script)
        self.assertEqual(code, 4003)
        self.assertIn("[1]", reason)
        self.assertEqual(json.loads(found[-1])["error"]["details"][0]["reason"], "INVALID_JSON")
        self.assertEqual(await threads.deferToThread(self.server.over.get, True, 10), "Both")

    async def test_a_client_that_leaves_cancels_the_call(self):
        self.start()

        def polite(client):
            client.send("{}")
            client.recv(20)

        def rude(client):
            polite(client)
            client.socket.shutdown(2)

        for script in (polite, rude):
            await self.talk("/v1/both/hall", script)
            self.assertEqual(await threads.deferToThread(self.server.over.get, True, 10), "Both")
        await self.settled()

    async def test_a_message_over_the_limit(self):
        self.start(gateway="max_request_body = 10KiB")

        def script(client):
            client.send(json.dumps({"text": "x" * 10_000}))
            self.assertEqual(len(client.recv(20)), 10_000 + len('{"room":"hall","text":""}'))
            client.send(json.dumps({"text": "x" * 11_000}))
            return rest(client)

        self.assertEqual((await self.talk("/v1/both/hall", script))[1][0], 1009)
        self.assertEqual(await threads.deferToThread(self.server.over.get, True, 10), "Both")

    # -- pace

    async def test_a_client_that_does_not_read_pauses_the_backend(self):
        written = []
        enough = threading.Event()

        def endless(name, requests, context, note):
            for number in range(1600):
                written.append(number)
                if number > 2:
                    enough.set()
                yield note(count=number, data=os.urandom(20_000))

        self.start(endless)

        def script(client):
            enough.wait(20)
            seen, last = -1, -2
            while seen != last:  # until nothing more is taken
                last, seen = seen, len(written)
                time.sleep(0.3)
            return seen, rest(client)

        seen, (answers, close) = await self.talk("/v1/watch/hall", script, PROTO, max_queue=1)
        self.assertLess(seen, 1200)
        self.assertEqual((len(answers), close[0]), (1600, 1000))

    async def test_a_backend_that_does_not_read_pauses_the_client(self):
        release = threading.Event()
        self.addCleanup(release.set)

        def slow(name, requests, context, note):
            release.wait(60)
            yield note(count=sum(1 for _ in requests))

        self.start(slow)

        def script():
            frame = masked(Opcode.BINARY, self.server.note(data=b"x" * 20_000).SerializeToString())
            with socket.create_connection(("127.0.0.1", self.gateway.port)) as client:
                client.sendall(handshake("/v1/up/hall", **{"Sec-WebSocket-Protocol": JSON}))
                self.assertIn(b" 101 ", client.recv(15))
                client.settimeout(1)
                sent = 0
                try:
                    while sent < 200_000_000:
                        sent += client.send(frame[sent % len(frame) :])
                except TimeoutError:
                    pass
                release.set()
                client.settimeout(20)
                client.sendall(frame[sent % len(frame) :] + masked(Opcode.TEXT, b""))
                whole = b""
                while b'"count":' not in whole:
                    whole += client.recv(1000)
                return sent, -(-sent // len(frame)) + (not sent % len(frame)), whole

        sent, count, answer = await threads.deferToThread(script)
        self.assertLess(sent, 50_000_000)
        self.assertIn(b'"count":%d' % count, answer)

    # -- the handshake

    async def test_refused_handshakes(self):
        self.start()
        evil = {"origin": "https://evil.example"}
        self.assertEqual((await self.refused("/v1/both/hall", **evil))[:2], (403, "ORIGIN_NOT_ALLOWED"))
        self.assertEqual((await self.refused("/v1/one/hall"))[:2], (400, "WEBSOCKET_HANDSHAKE"))
        self.assertEqual((await self.refused("/v1/both/hall", "mqtt"))[:2], (400, "WEBSOCKET_HANDSHAKE"))
        self.assertEqual((await self.refused("/v1/watch/hall?nope=1"))[:2], (400, "INVALID_QUERY"))
        self.assertEqual((await self.refused("/nowhere"))[:2], (404, "ROUTE_NOT_FOUND"))
        version = await self.refused("/v1/both/hall", additional_headers={"Sec-WebSocket-Version": "12"})
        self.assertEqual(version[0], 426)
        self.assertIn("13", version[2].get_all("Sec-WebSocket-Version"))
        self.assertEqual(self.server.calls, [])

    async def test_pages_of_the_same_host_and_of_origins_that_cors_allows(self):
        more = "[plugin:pages]\ntype = cors\nallow_origins = https://app.example\n"
        self.start(more=more + "[binding:pages]\nplugin = pages\nservice = chat\nenvironment = release\n")
        for origin in (f"http://127.0.0.1:{self.gateway.port}", "https://app.example"):
            answers, _ = await self.talk("/v1/watch/hall?count=1", rest, origin=origin)
            self.assertEqual(len(answers), 1)
        self.assertEqual((await self.refused("/v1/both/hall", origin="https://evil.example"))[0], 403)

    async def test_a_token(self):
        self.start()
        encoded = base64.urlsafe_b64encode(b"a/b").decode().rstrip("=")
        for protocols in (("bearer", "abc.def"), (JSON, f"base64url.bearer.authorization.twistedgw.{encoded}")):
            chosen, _ = await self.talk("/v1/watch/hall", lambda client: (client.subprotocol, rest(client)), *protocols)
            self.assertEqual(chosen, protocols[0])
        self.assertEqual([call[1]["authorization"] for call in self.server.calls], ["Bearer abc.def", "Bearer a/b"])

    # -- raw bytes

    async def exchange(self, data, until=b""):
        """Send bytes; give all that comes until the connection ends, or until some bytes have come."""

        def run():
            with socket.create_connection(("127.0.0.1", self.gateway.port), 20) as client:
                client.sendall(data)
                whole = b""
                while (part := client.recv(10_000)) and not (until and until in whole + part):
                    whole += part
                return whole + part

        return await threads.deferToThread(run)

    async def test_frames_in_the_same_packet_as_the_handshake(self):
        self.start()
        found = await self.exchange(
            handshake() + masked(Opcode.TEXT, b'{"text":"a"}') + masked(Opcode.TEXT, b""), b"\x88"
        )
        self.assertIn(b'{"room":"hall","text":"a"}\x88\x02\x03\xe8', found)

    async def test_bytes_that_are_no_frames(self):
        self.start()
        for data in (b"\xff" * 10, b"GET / HTTP/1.1\r\n\r\n", masked(Opcode.TEXT, b"\xff")):
            found = await self.exchange(handshake() + data)
            self.assertEqual(found.partition(b"\r\n\r\n")[2][:1], b"\x88")
            self.assertEqual(self.gateway.service.registry.in_flight, 0)

    async def test_a_flood_of_pings_is_answered_at_the_pace_of_the_client(self):
        self.start()
        many = masked(Opcode.PING, b"p" * 125) * 20_000

        def run():
            with socket.create_connection(("127.0.0.1", self.gateway.port), 20) as client:
                client.sendall(handshake())
                client.settimeout(1)
                sent = 0
                try:
                    while sent < len(many):
                        sent += client.send(many[sent : sent + 100_000])
                except TimeoutError:
                    pass
                client.settimeout(20)
                left = 127 * (sent // 131)
                while left > 0:
                    left -= len(client.recv(100_000))
                return sent

        self.assertGreater(await threads.deferToThread(run), 100_000)


class ThreadBridgeTests(WebSocketTests):
    bridge = "thread"


class LifetimeTests(Base):
    async def test_a_client_that_answers_pings_stays(self):
        self.start(gateway="idle_timeout = 2s")

        def script(client):
            time.sleep(3)
            client.send("{}")
            return json.loads(client.recv(20))

        self.assertEqual(await self.talk("/v1/both/hall", script), {"room": "hall"})

    async def test_a_client_that_does_not_answer_pings_is_given_up(self):
        self.start(gateway="idle_timeout = 400ms\n    body_timeout = 400ms")

        def run():
            with socket.create_connection(("127.0.0.1", self.gateway.port), 20) as client:
                client.sendall(handshake())
                whole = b""
                while part := client.recv(1000):
                    whole += part
                return whole.partition(b"\r\n\r\n")[2]

        found = await threads.deferToThread(run)
        self.assertEqual(found, b"\x89\x00\x88\x11\x03\xf3no sign of life")
        self.assertEqual(await threads.deferToThread(self.server.over.get, True, 10), "Both")

    async def test_a_client_that_never_reads_is_given_up(self):
        def endless(name, requests, context, note):
            while context.is_active():
                yield note(data=bytes(100_000))

        self.start(endless, gateway="body_timeout = 500ms")

        def run():
            with socket.create_connection(("127.0.0.1", self.gateway.port), 20) as client:
                client.sendall(handshake("/v1/watch/hall"))
                return self.server.over.get(True, 20)

        self.assertEqual(await threads.deferToThread(run), "Down")

    async def test_a_client_that_leaves_while_it_is_paused(self):
        release = threading.Event()
        self.addCleanup(release.set)

        def deaf(name, requests, context, note):
            release.wait(20)
            yield from ()

        self.start(deaf)

        def run():
            frame = masked(Opcode.TEXT, json.dumps({"text": "x" * 20_000}).encode())
            with socket.create_connection(("127.0.0.1", self.gateway.port), 20) as client:
                client.sendall(handshake())
                client.settimeout(0.5)
                try:
                    while True:
                        client.sendall(frame)
                except TimeoutError:
                    pass
            return self.server.over.get(True, 20)

        self.assertEqual(await threads.deferToThread(run), "Both")
        await self.settled()

    async def test_a_reload_lets_it_live_on(self):
        gateway = self.start()
        ready, go = threading.Event(), threading.Event()

        def script(client):
            client.send("{}")
            client.recv(20)
            ready.set()
            go.wait(20)
            client.send('{"text": "b"}')
            client.send("")
            return rest(client)

        talking = self.talk("/v1/both/hall", script)
        outcome = Deferred.fromCoroutine(talking)
        await threads.deferToThread(ready.wait, 20)
        gateway.write(gateway.path.read_text().replace("[service:chat]", "[service:chat]\ndescription = new"))
        self.assertTrue((await gateway.reload()).accepted)
        go.set()
        answers, close = await outcome
        self.assertEqual((json.loads(answers[0]), close), ({"room": "hall", "text": "b"}, (1000, "")))

    async def test_a_stop_waits_and_then_says_so(self):
        gateway = self.start(gateway="drain_timeout = 300ms")
        ready = threading.Event()

        def script(client):
            client.send("{}")
            client.recv(20)
            ready.set()
            return rest(client)

        outcome = Deferred.fromCoroutine(self.talk("/v1/both/hall", script))
        await threads.deferToThread(ready.wait, 20)
        await gateway.stop()
        self.assertEqual(await outcome, ([], (1001, "the gateway stops")))

    async def test_the_access_log_says_how_it_went(self):
        self.start()
        found = []
        globalLogPublisher.addObserver(found.append)
        self.addCleanup(globalLogPublisher.removeObserver, found.append)

        def script(client):
            client.send("{}")
            client.recv(20)
            client.send("")
            return rest(client)

        await self.talk("/v1/both/hall", script)
        (line,) = [event for event in found if event["log_namespace"] == "twistedgw.access"]
        self.assertEqual((line["status"], line["code"], line["rpc"]), (101, "OK", "chat.v1.Chat/Both"))

    async def test_over_tls(self):
        authority = trustme.CA()
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        certificate = authority.issue_cert("127.0.0.1")
        certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))
        pem = folder / "both.pem"
        more = (
            f"[listener:tls]\nendpoint = tcp:0:interface=127.0.0.1:backlog=9\nprotocol = https\ncertificate = {pem}\n"
        )
        gateway = self.start(more=f"{more}private_key = {pem}\n")
        context = ssl.create_default_context()
        authority.configure_trust(context)

        def run():
            with connect(f"wss://127.0.0.1:{gateway.ports()[1]}/v1/both/hall", ssl=context, **DIRECT) as client:
                client.send(json.dumps({"text": "x" * 300_000}))
                first = client.recv(20)
                client.send("")
                return len(first), rest(client)

        self.assertEqual(await threads.deferToThread(run), (300_025, ([], (1000, ""))))
