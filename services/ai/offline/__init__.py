"""The offline engine: what rules find in a manuscript, without a model and without a key.

Pure functions. Everything they say is word for word in the text, with its place: `words` splits
text, `names` finds names and places, `passages` chooses sentences, `telling` recognises point of
view and tense, `mentions` finds known entities, `continuity` compares.
"""

ENGINE = "offline-1"
"""The engine and its version, as runs name it; rules that find something else have another one."""
NOTE = (
    "Made by the offline engine: rules, no model. Quotes are word for word. Findings that ask are"
    " questions to the author."
)
