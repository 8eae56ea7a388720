"""Words by which names are recognised; English."""

TITLES = frozenset(
    "mr mrs ms miss mister master madam madame mademoiselle monsieur m mme mlle dr doctor sir dame"
    " lady lord captain colonel major general lieutenant sergeant inspector professor uncle aunt"
    " father sister brother mother saint count countess baron baroness duke duchess prince princess"
    " king queen judge reverend cousin detective officer president squire".split()
)
ARTICLES = frozenset("the a an this that these those my your his her our their".split())
NO_NAMES = frozenset(
    "i oh ah alas god heaven lord christ jesus satan devil o yes no well sir madam english french"
    " german italian spanish russian turkish greek roman latin arabic dutch swiss american british"
    " scotch scottish irish persian arabian turk turks christian christians jew jews mahometan"
    " european asiatic englishman frenchman german germans russians greeks romans monday tuesday"
    " wednesday thursday friday saturday sunday january february march april may june july august"
    " september october november december christmas easter chapter letter volume book part scene ii"
    " iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx he she it we you they"
    " the a an and but or nor for so yet if when while as at in on to from of by with my your his"
    " her our their this that these those there here what who whom whose which why how where then"
    " thus now never ever not all some any each every such much many most one two three four five"
    " six seven eight nine ten hundred thousand good great little old young dear poor mr mrs miss"
    " dr m sir captain doctor nature providence fate death fortune north south east west bible"
    " republic government parliament i'm i'll i've i'd i’m i’ll i’ve i’d it's it’s that’s don’t"
    " can’t won’t let come go look see tell say said do did is was are were be been have has had"
    " will would shall should may might must can could let’s you’re you’ll he’s she’s we’re they’re"
    " good-bye goodbye hello please thank thanks okay ok mother father mum mom dad mummy papa mamma"
    " street square road lane house park town city".split()
)
"""Capitalised words that are never names by themselves."""
LEADING = ARTICLES | NO_NAMES
"""Words with a capital at the beginning of a sentence, before a name."""
SPEECH_VERBS = frozenset(
    "said says say cried replied answered asked exclaimed whispered shouted added returned murmured"
    " continued began observed remarked inquired enquired muttered called told repeated declared"
    " thought interrupted resumed responded sobbed sighed groaned laughed gasped snapped echoed"
    " demanded agreed admitted insisted protested explained".split()
)
PERSON_VERBS = frozenset(
    "smiled nodded frowned shrugged wept turned walked sat stood felt knew saw heard took gave"
    " entered spoke came went arrived loved hated died lived wrote read perceived wished desired"
    " resolved endeavoured appeared trembled listened hesitated paused stared grinned blushed"
    " coughed started laughed opened closed shook put drew seized caught ran made ate drank slept"
    " woke rose threw held kissed embraced married hoped feared believed remembered forgot".split()
)
PERSON_BEFORE = frozenset(
    "dear dearest poor beloved young old my our your his her and named called cousin friend brother"
    " sister uncle aunt son daughter wife husband master mistress servant lawyer butler sweet gentle"
    " excellent unfortunate wretched unhappy noble little wicked".split()
)
PERSON_PREPOSITIONS = {"with": 0.7, "by": 0.5, "to": 0.3, "upon": 0.3, "for": 0.2, "than": 0.7}
PLACE_PREPOSITIONS = {
    "in": 2.0,
    "at": 1.5,
    "into": 1.5,
    "near": 1.5,
    "through": 1.5,
    "across": 1.5,
    "towards": 0.8,
    "toward": 0.8,
    "from": 0.7,
    "to": 0.5,
    "reached": 1.0,
    "leaving": 1.0,
    "left": 0.6,
    "quitted": 1.0,
    "visited": 0.7,
    "around": 1.0,
    "beyond": 1.0,
    "outside": 1.5,
    "throughout": 2.0,
    "northern": 2.0,
    "southern": 2.0,
    "eastern": 2.0,
    "western": 2.0,
}
PLACE_OF = frozenset(
    "city town village river lake island isle bay valley county kingdom coast shores shore banks"
    " mountains mount streets street north south east west port gulf republic plains borders"
    " neighbourhood suburbs university district parish harbour province village canton".split()
)
PLACE_NOUNS = frozenset(
    "street square road lane park avenue bridge hill hills river lake mountains castle island"
    " islands bay sea ocean strait valley county forest wood woods abbey cathedral palace hall house"
    " court gardens garden station terrace row place green heath moor harbour port pass glacier falls"
    " desert town city village university college hotel inn cliff point creek crescent alley"
    " buildings canal gate".split()
)
PLACE_PREFIXES = frozenset("mount mont lake cape port fort san santa north south east west new isle".split())
