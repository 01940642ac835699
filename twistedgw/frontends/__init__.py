"""Wire formats, sans-I/O: bytes in, `Call` and `Reply` out."""
