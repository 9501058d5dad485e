"""What a call used, as a person writes it on the command line."""

from __future__ import annotations

import argparse
from decimal import Decimal


def add_usage(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what a call used and how it was served."""
    parser.add_argument(
        "--usage",
        type=_usage,
        metavar="UNIT=N,...",
        help="work out what this costs, such as input=12000,cached_input=10000,output=800",
    )
    parser.add_argument("--tier", help="the service tier, such as batch")
    parser.add_argument("--geo", help="where it is inferred, such as us")
    parser.add_argument("--speed", help="Anthropic's speed, such as fast")
    parser.add_argument("--host", help="the host that is called")
    parser.add_argument("--path", help="the path that is called")
    parser.add_argument(
        "--attribute",
        type=_attribute,
        action="append",
        default=[],
        metavar="NAME=WORD",
        help="what an image or video depends on, such as quality=hd",
    )


def _usage(text: str) -> dict[str, Decimal]:
    from llmitm_pricing.units import FEE_UNITS, ITEM_UNITS, TOKEN_UNITS

    usage: dict[str, Decimal] = {}
    for pair in text.split(","):
        unit, _, number = pair.partition("=")
        if unit not in (known := (*TOKEN_UNITS, *FEE_UNITS, *ITEM_UNITS)):
            raise argparse.ArgumentTypeError(f"{unit!r} is no unit; there are {', '.join(known)}")
        if not number.replace(".", "", 1).isdecimal():
            raise argparse.ArgumentTypeError(f"{pair!r} needs a number, such as {unit}=1000")
        usage[unit] = Decimal(number)
    return usage


def _attribute(text: str) -> tuple[str, str]:
    from llmitm_pricing.units import ATTRIBUTES

    name, _, word = text.partition("=")
    if name not in ATTRIBUTES or not word:
        raise argparse.ArgumentTypeError(
            f"{text!r} should be NAME=WORD; there are {', '.join(ATTRIBUTES)}"
        )
    return name, word
