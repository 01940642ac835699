"""protobuf's own conformance suite, run against the codec: ``python -m tests.conformance``."""
