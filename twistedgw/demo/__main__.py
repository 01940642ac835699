"""``python -m twistedgw.demo``: the demo's gRPC server by itself, as a backend to try things with."""

from __future__ import annotations

import argparse

from twistedgw.demo.bookstore import SERVICE, start_bookstore
from twistedgw.demo.files import demo_config
from twistedgw.schema.cache import SchemaCache
from twistedgw.schema.protos import ProtoSource


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m twistedgw.demo", description=__doc__)
    parser.add_argument("--port", type=int, default=50051, help="loopback port; default: 50051")
    port = parser.parse_args().port
    proto = demo_config().parent / "protos" / "bookstore.proto"
    schema = ProtoSource([proto], [proto.parent], cache=SchemaCache()).load()
    server = start_bookstore(schema.services[SERVICE], port)
    try:
        server.wait_for_termination()
    except KeyboardInterrupt:
        server.stop(None)


if __name__ == "__main__":
    main()
