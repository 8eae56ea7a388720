"""A context rule: the material that a model reads before it writes."""

from libs.contracts.events.canon import ContextRule, ContextRuleCreate, ContextRulePatch, NameFilter
from services.events.model.aggregate import AggregateSpec
from services.events.model.listing import BY_NAME, NAMED, Listing

CONTEXT_RULE = AggregateSpec(
    kind="context_rule",
    table="context_rules",
    resource=ContextRule,
    create=ContextRuleCreate,
    patch=ContextRulePatch,
    parent="project",
    ordered=False,
    references={"style_guide_id": "style_guide"},
    listing=Listing(model=NameFilter, filters=BY_NAME, keys=NAMED),
)
