"""The unchanged parts of a wanted view: they stay native, to the last attribute."""

from collections.abc import Callable

from services.collab.formats.tree import Element, elements


class Seen:
    """Remembers what the native elements of a document are shown as."""

    def __init__(self, show: Callable[[Element], Element]) -> None:
        """*show* makes the view of one native element and of all in it."""
        self._show = show
        self._known: dict[int, Element] = {}

    def untouched(self, wanted: Element) -> bool:
        """Whether *wanted* is what its origin shows."""
        origin = wanted.origin
        if origin is None:
            return False
        if id(origin) not in self._known:
            self._remember(self._show(origin))
        return self._known.get(id(origin)) == wanted

    def _remember(self, shown: Element) -> None:
        if shown.origin is not None:
            self._known[id(shown.origin)] = shown
        for child in elements(shown.children):
            self._remember(child)
