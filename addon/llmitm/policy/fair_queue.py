"""A queue that is fair: the more urgent first, then each client in turn, then who came first."""

from __future__ import annotations

from collections import OrderedDict, deque


class FairQueue[T]:
    """Things that wait. Each belongs to a client and has a priority; the higher goes first."""

    def __init__(self) -> None:
        self._turns: dict[int, OrderedDict[str, deque[T]]] = {}
        """By priority, whose turn it is in what order, and what each of them waits with."""

    def __len__(self) -> int:
        return sum(len(items) for turns in self._turns.values() for items in turns.values())

    def __bool__(self) -> bool:
        return bool(self._turns)

    def put(self, item: T, priority: int, client: str) -> None:
        """Add what has come."""
        self._turns.setdefault(priority, OrderedDict()).setdefault(client, deque()).append(item)

    def first(self) -> T | None:
        """Return what goes next; None where nothing waits."""
        if not self._turns:
            return None
        turns = self._turns[max(self._turns)]
        return next(iter(turns.values()))[0]

    def take(self) -> T:
        """Take out what goes next; after it its client is the last of its priority. Raises `IndexError`."""
        if not self._turns:
            raise IndexError("nothing waits")
        priority = max(self._turns)
        turns = self._turns[priority]
        client, items = next(iter(turns.items()))
        item = items.popleft()
        turns.move_to_end(client)
        self._drop_empty(priority, client)
        return item

    def remove(self, item: T, priority: int, client: str) -> None:
        """Take out what no longer waits. Raises `ValueError` where it did not."""
        turns = self._turns.get(priority)
        items = turns.get(client) if turns else None
        if items is None:
            raise ValueError("it does not wait")
        items.remove(item)
        self._drop_empty(priority, client)

    def _drop_empty(self, priority: int, client: str) -> None:
        turns = self._turns[priority]
        if not turns[client]:
            del turns[client]
        if not turns:
            del self._turns[priority]
