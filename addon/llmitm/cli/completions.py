def register(s):
    s.add_parser("completions", help="x")
