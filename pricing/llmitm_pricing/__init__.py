"""What an LLM call costs, from price files that people can read: `PriceTable.load().price(...)`.

Independent of llmitm: it knows no clock, no network and no proxy. What is unknown is `Unpriced`, never 0.
"""

from llmitm_pricing.cost import Cost, Line, Unpriced
from llmitm_pricing.files import PriceFileError
from llmitm_pricing.table import PriceTable

__all__ = ["Cost", "Line", "PriceFileError", "PriceTable", "Unpriced"]
