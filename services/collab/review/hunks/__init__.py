"""Changes of words at anchors, of which suggestions, patches and refactors are made."""
