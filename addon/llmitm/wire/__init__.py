"""Framings and encodings of the wire: bytes in, values out, in pieces of any size. Knows no provider."""
