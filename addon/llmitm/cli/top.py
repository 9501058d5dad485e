def register(s):
    s.add_parser("top", help="x")
