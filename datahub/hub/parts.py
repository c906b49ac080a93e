"""The adapters of a hub: each is made once, on first use, whichever thread comes first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar, overload

from datahub.core.errors import InputError

T = TypeVar("T")


class HubClosed(InputError):
    """The hub was closed: its connections are gone."""

    code = "hub_closed"

    def __init__(self) -> None:
        super().__init__(
            "This Hub is closed.", hint="Open the project again: Hub.open(folder), or use `with`."
        )


class Parts:
    """Adapters by name, shared by a hub and by its views of other branches."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # an adapter may need another one to be made
        self._made: dict[str, Any] = {}
        self._closed = False

    def get(self, name: str, make: Callable[[], T]) -> T:
        """The adapter of that name, made if it is not there. Raises HubClosed."""
        with self._lock:
            if self._closed:
                raise HubClosed
            if name not in self._made:
                self._made[name] = make()
            adapter: T = self._made[name]
            return adapter

    def peek(self, name: str) -> Any | None:
        """The adapter of that name, if it was made."""
        with self._lock:
            return self._made.get(name)

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be made or used any more."""
        return self._closed

    def close(self) -> None:
        """Give all connections back. A second call does nothing."""
        with self._lock:
            self._closed, adapters = True, list(self._made.values())
            self._made.clear()
        for adapter in reversed(adapters):
            with suppress(AttributeError):  # most hold nothing open
                adapter.close()


class once(Generic[T]):
    """A property that is made once for a hub and its views."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, hub: None, owner: type) -> once[T]: ...

    @overload
    def __get__(self, hub: Any, owner: type) -> T: ...

    def __get__(self, hub: Any, owner: type) -> once[T] | T:
        if hub is None:
            return self
        parts: Parts = hub._parts
        return parts.get(self._name, lambda: self._make(hub))
