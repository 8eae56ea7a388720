"""Words that are frequent in every English text and say nothing about it."""

COMMON = frozenset(
    "the and that this with from for was were had has have his her him hers their them they she"
    " but not all you your our are which who whom whose what when where why how there here then than"
    " into upon over under about after before again also any been being both can could did does done"
    " down each every few get got he i if in is it its itself just like made make many may me might"
    " more most much must my myself never no nor now of off on once one only or other out own said"
    " same shall should so some such take than that's these those though through thus till to too"
    " until up very we well will while within without would yet yes one two first last even still"
    " ever away back came come went going know knew see saw seemed say says thing things time"
    " let us himself herself themselves yourself because however towards toward among between"
    " against during since although almost already always another around rather quite perhaps soon"
    " long little great good man men woman way day".split()
)
