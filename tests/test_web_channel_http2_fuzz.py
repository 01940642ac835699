"""Whatever an HTTP/2 client sends: no exception, no 500, no connection that stays for ever."""

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from channel_world import ChannelTests, Wire, echo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twistedgw.web.http2 import H2Channel

SETTINGS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
HEADERS = st.lists(
    st.tuples(
        st.sampled_from([":method", ":path", ":scheme", ":authority", ":x", "host", "content-length", "expect", "te",
                         "connection", "x", "X", "cookie", "transfer-encoding", ""]),
        st.sampled_from(["GET", "POST", "HEAD", "CONNECT", "/", "/a?b", "*", "https", "a.example", "5", "-1", "+5", "trailers",
                         "100-continue", "close", "chunked", "a b", "\r\n", "\0", "", "a" * 3000]),
    ),
    min_size=1,
    max_size=8,
)  # fmt: skip
GOOD = [(":method", "POST"), (":path", "/a"), (":scheme", "https"), (":authority", "a")]


def client():
    config = h2.config.H2Configuration(
        client_side=True, header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
    )
    return h2.connection.H2Connection(config)


class Http2FuzzTests(ChannelTests):
    def talk(self, *pieces):
        """Send pieces to a new connection, and wait until it is closed."""
        self.serve(echo)
        channel = H2Channel(self.site)
        wire = Wire(channel)
        for piece in pieces:
            wire.send(piece)
            for _ in range(3):
                self.clock.advance(0)
        for _ in range(15):
            self.clock.advance(10)
        self.assertTrue(wire.closed)
        self.assertEqual(self.flushLoggedErrors(), [])
        return wire

    def statuses(self, wire, conn):
        """Read the answers as the client that has sent the requests."""
        conn.clear_outbound_data_buffer()
        events = conn.receive_data(wire.received)
        return [
            int(dict(event.headers)[b":status"]) for event in events if isinstance(event, h2.events.ResponseReceived)
        ]

    @SETTINGS
    @given(st.lists(st.binary(max_size=60), max_size=5), st.booleans())
    def test_any_bytes(self, pieces, greet):
        conn = client()
        conn.initiate_connection()
        self.talk(*([conn.data_to_send()] if greet else []), *pieces)

    @SETTINGS
    @given(
        st.lists(st.tuples(HEADERS, st.booleans(), st.binary(max_size=2000), st.booleans()), max_size=4), st.booleans()
    )
    def test_any_requests(self, requests, cut):
        """Requests that h2 would not send, with and without bodies, whole and in the middle."""
        conn = client()
        conn.initiate_connection()
        pieces = [conn.data_to_send()]
        for headers, good, body, end in requests:
            stream_id = conn.get_next_available_stream_id()
            conn.send_headers(stream_id, GOOD + headers if good else headers, end_stream=end and not body)
            if body:
                conn.send_data(stream_id, body, end_stream=end)
            pieces.append(conn.data_to_send())
        data = b"".join(pieces)
        wire = self.talk(*([data[: len(data) // 2], data[len(data) // 2 :]] if cut else pieces))
        self.assertNotIn(500, self.statuses(wire, conn))

    @SETTINGS
    @given(st.data(), st.integers(0, 400), st.binary(min_size=1, max_size=4))
    def test_damaged_requests(self, draw, place, damage):
        """Good requests with a few bytes of something else in their middle."""
        conn = client()
        conn.initiate_connection()
        for _ in range(3):
            stream_id = conn.get_next_available_stream_id()
            conn.send_headers(stream_id, [*GOOD, ("x", "y" * 20)])
            conn.send_data(stream_id, b"x" * 50, end_stream=True)
            conn.ping(b"12345678")
        data = conn.data_to_send()
        place %= len(data)
        self.talk(data[:place] + damage + data[place + draw.draw(st.integers(0, len(damage))) :])

    @SETTINGS
    @given(st.lists(st.sampled_from(["ask", "more", "end", "reset", "window", "ping", "settings", "bye"]), max_size=20))
    def test_any_order_of_events(self, events):
        """What a client may do, in any order that h2 allows it."""
        conn = client()
        conn.initiate_connection()
        pieces = [conn.data_to_send()]
        streams = []
        for event in events:
            try:
                self.act(conn, streams, event)
            except (h2.exceptions.ProtocolError, KeyError):  # h2 itself forgets what a reset stream was
                continue
            pieces.append(conn.data_to_send())
        self.talk(*pieces)

    def act(self, conn, streams, event):
        if event == "ask":
            streams.append(conn.get_next_available_stream_id())
            conn.send_headers(streams[-1], GOOD)
        elif event == "ping":
            conn.ping(b"12345678")
        elif event == "settings":
            conn.update_settings({4: 10})
        elif event == "bye":
            conn.close_connection()
        elif streams:
            stream_id = streams[len(streams) // 2]
            if event == "more":
                conn.send_data(stream_id, b"x" * 700)
            elif event == "end":
                conn.end_stream(stream_id)
            elif event == "reset":
                conn.reset_stream(stream_id)
            else:
                conn.increment_flow_control_window(1000, stream_id)


class WindowTests(ChannelTests):
    """Windows that are shut, opened and made negative by SETTINGS, without a socket in between."""

    def setUp(self):
        super().setUp()
        self.body = b""
        self.conn = client()
        self.conn.initiate_connection()

    def start(self, answer):
        self.serve(answer)
        self.wire = Wire(H2Channel(self.site))
        stream_id = self.conn.get_next_available_stream_id()
        self.conn.send_headers(stream_id, GOOD, end_stream=True)
        self.exchange()
        return stream_id

    def exchange(self):
        """Carry bytes to and fro until both are silent."""
        while True:
            self.wire.send(self.conn.data_to_send())
            for _ in range(30):
                self.clock.advance(0)
            data, self.wire.received = self.wire.received, b""
            if not data:
                return
            for event in self.conn.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    self.body += event.data

    def large(self, request):
        request.respond(200, [], b"x" * 200_000)
        return 1

    def test_shut(self):
        """A window that is shut is waited for without spinning, and all arrives when it is opened bit by bit."""
        stream_id = self.start(self.large)
        self.assertEqual(len(self.body), 65_535)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1, "only the site's own")
        while len(self.body) < 200_000:
            self.conn.increment_flow_control_window(10_000)
            self.conn.increment_flow_control_window(10_000, stream_id)
            self.exchange()
        self.assertEqual(self.body, b"x" * 200_000)

    def test_opened_by_settings(self):
        """SETTINGS open the windows of streams as well."""
        self.conn.update_settings({4: 0})
        self.start(self.large)
        self.assertEqual(self.body, b"")
        self.conn.increment_flow_control_window(1_000_000)
        self.conn.update_settings({4: 300_000})
        self.exchange()
        self.assertEqual(len(self.body), 200_000)

    def test_made_negative(self):
        """A window below zero is waited for like one that is shut."""
        stream_id = self.start(self.large)
        self.conn.increment_flow_control_window(1_000_000)
        self.conn.update_settings({4: 1000})
        self.exchange()
        self.assertEqual(len(self.body), 65_535)
        self.conn.increment_flow_control_window(64_536, stream_id)
        self.exchange()
        self.assertEqual(len(self.body), 65_536)
        self.conn.increment_flow_control_window(1_000_000, stream_id)
        self.exchange()
        self.assertEqual(len(self.body), 200_000)

    def test_producer(self):
        """A producer goes on when SETTINGS open the window."""
        calls = []

        class Producer:
            def pauseProducing(self):
                calls.append("pause")

            def resumeProducing(self):
                calls.append("resume")

            def stopProducing(self):
                calls.append("stop")

        def answer(request):
            request.start(200, [])
            request.registerProducer(Producer(), True)
            request.write(b"x" * 10)
            return 1

        self.conn.update_settings({4: 10})
        self.start(answer)
        self.assertEqual((calls, self.body), (["pause"], b"x" * 10))
        self.conn.update_settings({4: 300})
        self.exchange()
        self.assertEqual(calls, ["pause", "resume"])
