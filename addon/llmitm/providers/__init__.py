"""Who speaks what where, and how to read it: bytes in, records out. No I/O beyond its own data file."""
