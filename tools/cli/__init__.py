"""The `scriptorium` command. Each command is a module here, named in `__main__`."""
