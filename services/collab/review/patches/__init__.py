"""Patches: several changes of a scene that are applied, rebased and reverted as one."""
