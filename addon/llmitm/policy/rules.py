"""Rules: switches for the calls that a rule's patterns match, and what then holds for a call.

Headers of the call go before rules, rules before defaults, a later rule before an earlier one; what nobody sets is off.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol

from llmitm.calls import Headers
from llmitm.policy import asked
from llmitm.policy.directives import NOTHING, Directives
from llmitm.policy.patterns import ByProperty, Patterns, matcher
from llmitm.policy.switches import Layer, Switches, directives, layer, merged


class Facts(Protocol):
    """What rules look at. What is costly to know is found out when it is asked for."""

    @property
    def provider(self) -> str:
        """Who is asked."""

    @property
    def path(self) -> str:
        """Without the query."""

    @property
    def client(self) -> str | None:
        """The user agent."""

    @property
    def model(self) -> str | None:
        """The model that is asked for."""

    @property
    def user(self) -> str | None:
        """For whom."""

    @property
    def properties(self) -> Mapping[str, str]:
        """By name, as they were spelt."""


class Rule(Switches):
    """Switches, and which calls they are for: all patterns that are given have to match."""

    provider: Patterns | None = None
    model: Patterns | None = None
    path: Patterns | None = None
    user: Patterns | None = None
    client: Patterns | None = None
    property: ByProperty | None = None


type _Matcher = Callable[[Facts], bool]


class Rules:
    """Tell what holds for a call."""

    def __init__(
        self, defaults: Switches, rules: Sequence[Rule], providers: Collection[str]
    ) -> None:
        self._defaults = layer(defaults)
        self._rules = [(tuple(_matchers(rule)), layer(rule)) for rule in rules]
        self._providers = frozenset(providers)
        self._holds_for_all = bool(self._defaults or self._rules)

    def wants(self, headers: Headers) -> bool:
        """Tell at once whether a call can have any directives."""
        if self._holds_for_all:
            return True
        # One search in all names at once takes half as long as a look at each.
        names = "\n".join(["", *[name for name, _ in headers]]).lower()
        return "\nhelicone-" in names or "\nx-llmitm-" in names

    def directives(self, headers: Headers, facts: Facts) -> Directives:
        """Return what is to be done with a call."""
        if not self.wants(headers):
            return NOTHING
        own, notes = asked.read(headers)
        layers = [self._defaults, *self._matching(facts), own]
        return directives(merged(layers), self._providers, notes)

    def _matching(self, facts: Facts) -> Iterator[Layer]:
        for matchers, switches in self._rules:
            if all(matches(facts) for matches in matchers):
                yield switches


NO_RULES = Rules(Switches(), (), ())
"""What holds where nothing is set: a call's own headers, and nothing else."""


def _matchers(rule: Rule) -> Iterator[_Matcher]:
    """Return the tests of a rule, those first for which the body need not be read."""
    if rule.provider is not None:
        yield matcher(rule.provider, lambda facts: facts.provider)
    if rule.path is not None:
        yield matcher(rule.path, lambda facts: facts.path)
    if rule.client is not None:
        yield matcher(rule.client, lambda facts: facts.client)
    if rule.model is not None:
        yield matcher(rule.model, lambda facts: facts.model)
    if rule.user is not None:
        yield matcher(rule.user, lambda facts: facts.user)
    for name, patterns in (rule.property or {}).items():
        yield matcher(patterns, _property(name.lower()))


def _property(name: str) -> Callable[[Facts], str | None]:
    def value(facts: Facts) -> str | None:
        return next((text for key, text in facts.properties.items() if key.lower() == name), None)

    return value
