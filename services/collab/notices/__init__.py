"""Telling others that the text of a scene changed, a moment after it did.

An edit only notes the id of its scene. The stream TEXTS keeps one notice of each scene, and the
table `text_notices` the version that was told, so that what a dead replica left untold is found.
"""
