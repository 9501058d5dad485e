"""The process that made a call: what is known of it, and the properties under which the log has it.

Names are those of OpenTelemetry's resources where it has one (https://opentelemetry.io/docs/specs/semconv/resource/process/,
https://opentelemetry.io/docs/specs/semconv/registry/attributes/vcs/).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

PROPERTIES: Mapping[str, str] = MappingProxyType(
    {
        "program": "process.program",  # OpenTelemetry has names for the executable only: python3.13
        "directory": "process.working_directory",
        "repository": "vcs.repository.name",
        "branch": "vcs.ref.head.name",
        "pid": "process.pid",
        "arguments": "process.command_args",
    }
)
"""The property of each fact. Reports know them by the short name too."""
SUMMED = ("program", "directory", "repository", "branch")
"""Facts that few values have, and so reports can be made by fast. A pid or a command line is another one each time: a
daily sum of each would be as long as the calls themselves."""
NOT_SUMMED = frozenset(name for fact, name in PROPERTIES.items() if fact not in SUMMED)
_LONGEST = 1_000


@dataclass(frozen=True, slots=True)
class Caller:
    """A process that makes calls; what is None is not known."""

    pid: int
    program: str | None = None
    """As a person would name it: `my_agent.py`, not `python3.13`."""
    arguments: str | None = None
    """The command line, without secrets."""
    directory: str | None = None
    repository: str | None = None
    branch: str | None = None


def properties(caller: Caller | None, kept: Collection[str]) -> Mapping[str, str]:
    """Return the properties of a caller that are to be kept."""
    if caller is None:
        return {}
    told = {name: getattr(caller, fact) for fact, name in PROPERTIES.items() if fact in kept}
    return {name: str(value)[:_LONGEST] for name, value in told.items() if value is not None}
