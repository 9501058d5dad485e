def register(s):
    s.add_parser("statusline", help="x")
