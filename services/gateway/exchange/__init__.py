"""Exports of projects as zip files: written bit by bit, read with care. docs/workspaces.md."""
