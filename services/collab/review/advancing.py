"""Bringing a document that was read before to a newer state, without reading all of that anew."""

from libs.contracts.collab.yprotocol import varuint
from services.collab import updates
from services.collab.review.characters import CharacterDocument


def advance(document: CharacterDocument, state: bytes) -> bool:
    """Bring *document* to *state*; False, and nothing done, when it holds what *state* does not.

    Deletions that only *document* has are not noticed: *state* must not be older than it.

    Raises:
        BadUpdate: The state cannot be read.
    """
    known = document.clocks()
    reached = updates.read_state_vector(updates.state_vector(state))
    if any(reached.get(client, 0) < clock for client, clock in known.items()):
        return False
    vector = [varuint(len(known))]
    for client, clock in known.items():
        vector += [varuint(client), varuint(clock)]
    document.apply(updates.difference(state, b"".join(vector)))
    return True
