"""Suggesting mode: changes of an author's branch as suggestions, kept in step with both texts."""
