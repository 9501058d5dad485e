"""The addon for `mitmdump -s addon/proxy.py`."""

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
if (_HERE / "llmitm").is_dir():  # in a checkout; an installed llmitm is on the path already
    sys.path[:0] = [str(_HERE), str(_HERE.parent / "pricing")]

# After the path is set. Modules, not functions: mitmproxy takes a function named `load` for a hook of this script.
from llmitm import home, settings  # noqa: E402
from llmitm.mitm import chain  # noqa: E402
from llmitm.providers import hosts  # noqa: E402

_PLACE = home.home()
_SETTINGS = settings.load(_PLACE)
addons = chain.chain(_PLACE, _SETTINGS, hosts.load(_SETTINGS.provider))
