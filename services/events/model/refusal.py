"""The refusal of a request because of one field."""

from libs import errors


def field_refusal(field: str, detail: str) -> errors.Invalid:
    """Return the refusal of a request because of one of its fields."""
    return errors.Invalid(f"{field}: {detail}", errors=[{"field": field, "detail": detail}])
