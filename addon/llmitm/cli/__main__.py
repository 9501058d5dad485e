"""`python -m llmitm.cli` is `llmitm`."""

import sys

from llmitm.cli import main

if __name__ == "__main__":
    sys.exit(main())
