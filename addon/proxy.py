"""The addon for `mitmdump -s addon/proxy.py`."""

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
if (_HERE / "llmitm").is_dir():  # in a checkout; an installed llmitm is on the path already
    sys.path[:0] = [str(_HERE), str(_HERE.parent / "pricing")]

from llmitm.home import home  # noqa: E402  (after the path is set)
from llmitm.mitm.chain import chain  # noqa: E402

addons = chain(home())
