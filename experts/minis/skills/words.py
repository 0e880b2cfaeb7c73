"""The words that several skills draw from: names, things, ordinals, and words to play with."""

from random import Random


def _split(text: str) -> tuple[str, ...]:
    """Read a tuple of words; a literal of three hundred strings would be no pleasure to read."""
    return tuple(text.split())


ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")

NAMES = _split(
    "Tom Ann Bob Mia Sam Eva Leo Kim Max Zoe Ben Ida Joe Amy Dan Lea Nick Rosa Paul Nina "
    "Carl Maya Omar Lucy Hugo Vera Ivan Emma Noah Tara"
)

ITEMS = _split("coins books apples cards stamps pens marbles tickets boxes letters cups shells")

JOBS = _split(
    "baker painter singer farmer teacher doctor driver pilot dancer writer sailor gardener "
    "runner swimmer lawyer miner tailor nurse"
)

# Those whom lists and logic are about. Matching one mention with another is learnt name by name,
# so that few names are learnt in a tenth of the time that many take.
PEOPLE, TRADES = NAMES[:10], JOBS[:8]

COMMON = _split(
    "apple banana cherry lemon melon grape peach onion carrot potato bread butter cheese honey "
    "sugar pepper coffee water river ocean lake forest mountain valley desert island beach "
    "cloud storm thunder snow winter summer spring autumn garden flower tulip daisy tree leaf "
    "root branch stone sand metal silver copper iron glass paper pencil chair window door "
    "kitchen floor wall roof house castle tower bridge road street village market school "
    "library museum theatre station airport harbour plane boat ship truck wagon bicycle "
    "engine wheel motor hammer nail screw ladder bucket basket bottle plate spoon knife fork "
    "candle mirror watch camera radio phone laptop screen keyboard mouse rabbit tiger "
    "lion zebra horse donkey camel sheep goat monkey parrot eagle falcon pigeon penguin dolphin "
    "whale shark salmon turtle lizard snake spider beetle butterfly cricket hello python "
    "music guitar violin piano drum trumpet dance song poem novel story "
    "soldier captain king queen prince knight wizard "
    "dragon giant ghost magic secret puzzle riddle game kite puppet doll robot rocket planet "
    "moon star comet galaxy shadow light dark heat cold wind rain fire smoke ash dust mud ice "
    "coat shirt jacket scarf glove boot shoe sock hat belt button zipper pocket needle thread "
    "cotton wool silk leather velvet diamond ruby pearl crystal marble brick timber plank rope "
    "anchor compass map drumstick lantern saddle stable meadow orchard vineyard barn "
    "fence gate path trail canyon cliff cave tunnel mine well fountain pond stream swamp marsh "
    "brave clever gentle quiet simple strong bright smooth narrow purple orange yellow "
    "jump walk climb swim throw catch carry build paint read think dream laugh smile"
)

_ONSETS = _split("b c d f g h j k l m n p r s t v w z br cl dr fl gr pl pr sk sl sp st tr th sh")
_VOWELS = _split("a e i o u a e i o ai ea oo ou")
_CODAS = ("", "", "", *_split("b d f g k l m n p r s t x nd nt rk st sk ll ck"))


def word(rng: Random, longest: int = 8) -> str:
    """Draw a word of 3 to `longest` letters: one in four is English, the others pronounceable."""
    while True:
        drawn = rng.choice(COMMON) if rng.random() < 0.25 else _made_up(rng)
        if 3 <= len(drawn) <= longest:
            return drawn


def _made_up(rng: Random) -> str:
    """Put one to three syllables together."""
    syllables = rng.choice((1, 2, 2, 2, 3))
    parts = [rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(syllables)]
    return "".join(parts) + rng.choice(_CODAS)


__all__ = ["COMMON", "ITEMS", "JOBS", "NAMES", "ORDINALS", "PEOPLE", "TRADES", "word"]
