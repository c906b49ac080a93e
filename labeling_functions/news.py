"""Labeling functions for BBC news articles: what an hour of reading suggests.

Each votes one of five topics for an article, or abstains. The first line of `text` is
the headline. Numbers are the order of the dataset's class names.
"""

import polars as pl
from snorkel.labeling import labeling_function
from snorkel.preprocess import preprocessor

from datahub import ABSTAIN, expression, keywords, regex

BUSINESS, ENTERTAINMENT, POLITICS, SPORT, TECH = range(5)

# -- business

shares = keywords("shares", ["shares", "shareholders", "stock market", "investors"], BUSINESS)
economy = keywords(
    "economy",
    ["economic growth", "interest rates", "inflation", "exports", "GDP", "central bank"],
    BUSINESS,
)
company_results = keywords(
    "company_results",
    ["profit", "profits", "revenue", "sales", "takeover", "bid"],
    BUSINESS,
    at_least=2,
)
big_money = regex("big_money", r"[$£€]\s?\d+(\.\d+)?\s?(bn|billion)\b", BUSINESS)

# -- entertainment

film = keywords(
    "film",
    ["film", "films", "actor", "actress", "director", "box office"],
    ENTERTAINMENT,
    at_least=2,
)
music = keywords(
    "music",
    ["album", "band", "singer", "song", "songs", "single", "chart", "concert"],
    ENTERTAINMENT,
    at_least=2,
)
awards = keywords(
    "awards", ["Oscar", "Oscars", "Bafta", "Grammy", "Golden Globe", "Brit awards"], ENTERTAINMENT
)
television = keywords(
    "television", ["sitcom", "soap", "BBC One", "ITV1", "Channel 4", "viewers"], ENTERTAINMENT
)

# -- politics

parties = keywords(
    "parties",
    ["Labour", "Tory", "Tories", "Conservative", "Lib Dem", "Lib Dems", "UKIP"],
    POLITICS,
    at_least=2,
)
leaders = keywords(
    "leaders",
    ["Tony Blair", "Mr Blair", "Gordon Brown", "Michael Howard", "Charles Kennedy"],
    POLITICS,
)
parliament = keywords(
    "parliament",
    ["MPs", "Commons", "House of Lords", "backbenchers", "Downing Street", "manifesto"],
    POLITICS,
)
secretary = regex("secretary", r"\b(home|foreign|health|education|shadow)\s+secretary\b", POLITICS)

# -- sport

football = keywords(
    "football",
    ["Premiership", "Arsenal", "Chelsea", "Liverpool", "striker", "midfielder", "FA Cup"],
    SPORT,
)
rugby = keywords(
    "rugby", ["rugby", "Six Nations", "fly-half", "prop", "lock", "try"], SPORT, at_least=2
)
athletics = keywords(
    "athletics",
    ["Olympic", "champion", "championships", "medal", "100m", "seed", "Grand Slam"],
    SPORT,
    at_least=2,
)
score_line = regex(
    "score_line", r"\b\d{1,2}-\d{1,2}\b.*\b(win|victory|defeat|draw|beat|lead)\b", SPORT
)

# -- tech

computers = keywords(
    "computers",
    ["software", "PC", "PCs", "computer", "computers", "operating system"],
    TECH,
    at_least=2,
)
online = keywords(
    "online", ["broadband", "net users", "website", "websites", "spam", "virus", "blog"], TECH
)
gadgets = keywords(
    "gadgets",
    ["mobile phone", "mobile phones", "handset", "console", "Xbox", "PlayStation", "iPod"],
    TECH,
)
tech_firms = keywords(
    "tech_firms", ["Google", "Microsoft", "Apple", "Sony", "Nintendo", "IBM"], TECH, at_least=2
)

# -- a headline says much in little: these three read it as Python does


@preprocessor(memoize=True)
def with_headline(x):
    """Add the article's first line as `headline`."""
    x.headline = (x.text or "").partition("\n")[0].lower()
    return x


@labeling_function(pre=[with_headline])
def headline_politics(x):
    """The headline names a politician's trade."""
    words = set(x.headline.replace("'", " ").split())
    return POLITICS if words & {"blair", "tory", "labour", "mps", "howard", "minister"} else ABSTAIN


@labeling_function(pre=[with_headline])
def headline_sport(x):
    """The headline speaks of a game."""
    words = set(x.headline.replace("'", " ").split())
    return (
        SPORT
        if words & {"cup", "coach", "injury", "squad", "wales", "ireland", "open"}
        else ABSTAIN
    )


@labeling_function(
    resources={"verbs": ("rises", "falls", "jumps", "slump", "cuts", "boosts")}, pre=[with_headline]
)
def headline_market(x, verbs):
    """The headline says that a figure moved."""
    return BUSINESS if any(verb in x.headline for verb in verbs) else ABSTAIN


# An article with three percentages or more is about money.
percentages = expression("percentages", pl.col("text").str.count_matches(r"\d%") >= 3, BUSINESS)
