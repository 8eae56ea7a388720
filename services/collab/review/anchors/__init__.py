"""Ranges of a scene's text that stay with their words while people type.

`characters` knows which Yjs id each character has; `carrying` says what became of a range in one
edit; `finding` finds a range by its words; `follower` keeps what is stored in step with the log.
"""
