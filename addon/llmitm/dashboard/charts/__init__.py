"""Charts as inline SVG, made here: they are there without a script, can be printed, and a test can read them.

Places are attributes and looks are classes, since the pages allow no inline style. Axes are text of the page beside the
drawing, so that they keep their size on every screen.
"""
