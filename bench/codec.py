"""The compiled codec against protobuf's json_format, in one run: ``python -m bench.codec``.

Processor time, the best of many runs each, taking turns, so that other work on the machine hardly counts. The last
column is the bar: four times json_format on the order and on the list.
"""

from __future__ import annotations

import json
import sys
import time
import timeit
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format

from bench.messages import book_list, echo, order, pool
from twistedgw.transcoding.codec import Codec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from google.protobuf.message import Message

CASES = {"Echo": echo, "Order": order, "ListBooksResponse": book_list}
BAR = 4.0
ROUNDS = 40


def best(functions: Sequence[Callable[[], object]]) -> list[float]:
    """Give the microseconds of the quickest run of each, taking turns."""
    timers = [timeit.Timer(function, timer=time.process_time) for function in functions]
    numbers = [max(1, timer.autorange()[0] // 20) for timer in timers]
    rounds = [
        [timer.timeit(number) / number for timer, number in zip(timers, numbers, strict=True)] for _ in range(ROUNDS)
    ]
    return [min(times) * 1e6 for times in zip(*rounds, strict=True)]


def measure(codec: Codec, name: str, fields: dict[str, Any]) -> tuple[float, float]:
    """Print a line for each direction, and give how many times faster than json_format each is."""
    descriptor = codec.pool.FindMessageTypeByName(f"bench.v1.{name}")
    message_class: type[Message] = codec.message_class(descriptor)
    message = message_class(**fields)
    encode, decode = codec.encoder(descriptor), codec.decoder(descriptor)
    text = encode(message)
    assert json.loads(text) == json_format.MessageToDict(message)
    assert decode(text) == message == json_format.Parse(text, message_class())
    pairs = {
        "encode": (
            lambda: encode(message),
            lambda: json_format.MessageToJson(message, indent=None, ensure_ascii=False).encode(),
        ),
        "decode": (lambda: decode(text), lambda: json_format.Parse(text, message_class())),
    }
    ratios = []
    for direction, (ours, theirs) in pairs.items():
        mine, other = best((ours, theirs))
        ratios.append(other / mine)
        print(f"{name:<18} {len(text):>8,} B  {direction}  {mine:>9,.1f} µs  {other:>9,.1f} µs  {other / mine:>5.1f} ×")
    return ratios[0], ratios[1]


def main() -> int:
    codec = Codec(pool())
    print(f"{'message':<18} {'JSON':>10}  {'':6}  {'twistedgw':>12}  {'json_format':>12}  {'ratio':>7}")
    ratios = {name: measure(codec, name, fields()) for name, fields in CASES.items()}
    failed = [name for name, pair in ratios.items() if name != "Echo" and min(pair) < BAR]
    print(f"\nat least {BAR:g} × on the order and the list: {'no: ' + ', '.join(failed) if failed else 'yes'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
