"""`python -m services.events.catalogue`: write docs/asyncapi.json and docs/schemas.

It refuses a change that subscribers would notice; such an event needs a type of its own.
"""

import sys

from services.events.catalogue.files import DOCS, SCHEMAS, objections, there, wanted


def main() -> int:
    """Write changed files; return 1 and write nothing when a change is not allowed."""
    old, new = there(), wanted()
    if refused := objections(old, new):
        sys.stderr.write("".join(f"{each}\n" for each in refused))
        sys.stderr.write("Subscribers would notice. Give the event another type instead.\n")
        return 1
    (DOCS / SCHEMAS).mkdir(exist_ok=True)
    changed = [path for path, text in new.items() if old.get(path) != text]
    for path in changed:
        (DOCS / path).write_text(new[path])
    sys.stdout.write(f"{len(new)} documents, {len(changed)} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
