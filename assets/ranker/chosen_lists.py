"""How the lists of each slate are made, beside their scores. Folds do not depend on it, and so do not import it."""

from assets.ranker.lists import ListsConfig
from assets.slates import Slate

# Chosen from the curve in docs/adr/0015: the most variety that costs no more than 1.25 % of NDCG@100.
LISTS = {
    Slate.FOR_YOU: ListsConfig(per_artist=20, artist_discount=0.98),
    Slate.DISCOVER: ListsConfig(per_artist=20, artist_discount=0.98),
    Slate.REDISCOVER: ListsConfig(per_artist=20, artist_discount=0.9),
}
