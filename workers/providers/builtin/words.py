"""Reads the words of a prompt: its place, hour, elements, colours and style."""

import re
from dataclasses import dataclass

from workers.providers.builtin.noise import stream
from workers.providers.builtin.palette import HUES


def _index(groups: dict[str, str]) -> dict[str, str]:
    return {word: name for name, words in groups.items() for word in words.split()}


_PLACES = _index(
    {
        "sea": "sea ocean wave coast beach shore bay island surf sail sailing tide marine harbour"
        " harbor whale lighthouse boat ship sailboat yacht",
        "lake": "lake river pond fjord reflection canal",
        "underwater": "underwater reef coral fish jellyfish aquarium diving shark",
        "forest": "forest wood woods tree jungle pine birch grove firefly woodland",
        "city": "city town skyline street building skyscraper urban downtown tokyo york london"
        " paris metropolis car traffic cyberpunk office",
        "mountain": "mountain alps peak hill valley cliff himalaya canyon volcano summit",
        "snow": "snow winter ski arctic glacier christmas snowy frost ice antarctica polar",
        "desert": "desert dune sahara sand camel cactus oasis mars",
        "meadow": "meadow flower field garden grass rose tulip lavender poppy sunflower spring"
        " butterfly farm prairie picnic bee blossom dog horse rabbit",
        "space": "space galaxy nebula planet cosmos cosmic universe astronaut saturn orbit alien"
        " spaceship rocket comet",
        "fire": "fire campfire flame bonfire fireplace ember burning candle",
        "sky": "sky cloud cloudscape balloon airplane plane flying bird heaven kite",
        "abstract": "abstract pattern geometric fluid swirl gradient texture silk shape ribbon"
        " music dream logo background wallpaper marble",
    }
)
_HOURS = _index(
    {
        "sunset": "sunset dusk evening twilight golden_hour autumn sundown",
        "dawn": "dawn sunrise morning daybreak misty",
        "night": "night midnight moon moonlight moonlit star starry dark aurora firework lantern"
        " neon campfire cyberpunk firefly northern",
        "storm": "storm stormy thunder lightning rain rainy overcast gloomy hurricane tempest grey",
        "day": "day noon daylight sunny summer bright midday afternoon",
    }
)
_ELEMENTS = _index(
    {
        "sun": "sun sunlight sunny sunshine",
        "moon": "moon moonlight moonlit",
        "stars": "star starry",
        "clouds": "cloud cloudy overcast cloudscape",
        "rain": "rain rainy raining drizzle downpour",
        "snowfall": "snow snowing snowy snowfall snowflake blizzard christmas",
        "lightning": "lightning thunder thunderstorm",
        "mist": "mist misty fog foggy haze",
        "boat": "boat sailboat ship yacht sail sailing",
        "birds": "bird seagull gull flock",
        "lighthouse": "lighthouse",
        "balloon": "balloon",
        "cabin": "cabin house cottage hut",
        "tree": "tree oak",
        "cat": "cat kitten",
        "person": "person people man woman child girl boy someone traveller hiker astronaut",
        "aurora": "aurora northern",
        "fireworks": "firework celebration festival",
        "fireflies": "firefly lantern",
        "flowers": "flower rose tulip lavender poppy sunflower blossom",
        "planet": "planet saturn jupiter mars earth",
        "nebula": "nebula galaxy cosmos cosmic",
        "embers": "ember spark",
        "flames": "fire flame campfire bonfire",
        "fish": "fish shark",
        "bubbles": "bubble",
        "hills": "hill island mountain peak",
        "pines": "pine spruce conifer",
        "windows": "window",
        "water": "water sea ocean wave lake",
        "rays": "ray sunbeam",
    }
)
_STYLES = _index(
    {
        "watercolour": "watercolour watercolor aquarelle painting painted",
        "noir": "noir monochrome greyscale grayscale black_and_white",
        "neon": "neon cyberpunk synthwave vaporwave",
        "pastel": "pastel soft dreamy",
        "minimal": "minimal minimalist minimalistic simple flat",
        "vintage": "vintage retro sepia film nostalgic",
    }
)
_COLOURS = {name: name for name in HUES} | _index(
    {
        "golden": "gold amber",
        "grey": "gray",
        "red": "scarlet ruby",
        "turquoise": "aqua cyan",
        "purple": "lilac",
        "blue": "azure navy",
    }
)
#: Words for how much moves, and how hard.
_ENERGIES = {"calm": 0.55, "wild": 2.2}
_TEMPERS = _index(
    {
        "wild": "storm stormy wild rough huge giant crashing hurricane tempest windy",
        "calm": "calm gentle still peaceful quiet serene tranquil soft slow",
    }
)

#: What a place shows even if the prompt does not name it.
_USUAL: dict[str, str] = {
    "sea": "clouds water birds",
    "lake": "clouds water hills pines mist",
    "underwater": "rays bubbles fish plants",
    "forest": "trees mist rays",
    "city": "clouds buildings windows water",
    "mountain": "clouds hills mist pines birds",
    "snow": "clouds hills pines snowfall",
    "desert": "dunes",
    "meadow": "clouds hills flowers pollen",
    "space": "stars nebula planet",
    "fire": "stars trees flames embers",
    "sky": "clouds birds",
    "abstract": "ribbons",
}
_SUN_HOURS = frozenset({"day", "dawn", "sunset"})
_CLOSED = frozenset({"underwater", "space", "abstract"})  # no sky of ours above them


@dataclass(frozen=True, slots=True)
class Description:
    """A prompt as the painter reads it."""

    place: str
    hour: str
    elements: frozenset[str]
    colours: tuple[str, ...]
    style: str
    energy: float  # 0.4 calm .. 1.8 wild
    key: str  # the words themselves: other words, another picture


def describe(prompt: str, negative_prompt: str = "") -> Description:
    """The description of a prompt; every prompt has one."""
    words = _words(prompt)
    unwanted = _words(negative_prompt)
    dropped = {_ELEMENTS[word] for word in unwanted if word in _ELEMENTS} | set(unwanted)
    key = " ".join(words)
    place = _place(words, key, dropped)
    hour = _hour(words, place, key, dropped)
    elements = set(_USUAL[place].split())
    elements |= _lights(place, hour)
    elements |= {_ELEMENTS[word] for word in words if word in _ELEMENTS}
    if place == "city" and "rain" in elements:
        elements.add("water")
    return Description(
        place=place,
        hour=hour,
        elements=frozenset(elements - dropped),
        colours=_colours(words),
        style=next((_STYLES[word] for word in words if word in _STYLES), ""),
        energy=_energy(words),
        key=key,
    )


def _words(text: str) -> list[str]:
    """Lower-case words, each followed by its singular where that is another word."""
    lowered = text.lower().replace("golden hour", "golden_hour")
    lowered = lowered.replace("black and white", "black_and_white")
    found: list[str] = []
    for word in re.findall(r"[^\W\d]+", lowered):
        found.append(word)
        for ending, singular in (("ies", "y"), ("es", ""), ("s", "")):
            if len(word) > 3 and word.endswith(ending):
                found.append(word.removesuffix(ending) + singular)
    return found


def _place(words: list[str], key: str, dropped: set[str]) -> str:
    """The place with most words for it; of equals the one named first."""
    votes: dict[str, int] = {}
    for word in words:
        place = _PLACES.get(word)
        if place and place not in dropped:
            votes[place] = votes.get(place, 0) + 1
    for place in ("underwater", "fire"):
        if place in votes:
            return place
    if votes:
        # Snow lies on something and sky is over it: a snowy mountain is a mountain.
        return max(votes, key=lambda place: votes[place] - 0.5 * (place in ("snow", "sky")))
    for word in words:
        if word in _HOURS:
            return "mountain" if _HOURS[word] != "day" else "meadow"
    places = ("abstract", "abstract", "abstract", "sky", "mountain", "lake")
    return places[int(stream("place", key).integers(len(places)))]


def _hour(words: list[str], place: str, key: str, dropped: set[str]) -> str:
    for word in words:
        if word in _HOURS and _HOURS[word] not in dropped:
            return _HOURS[word]
    if place in ("space", "fire"):
        return "night"
    usual = {"city": "night", "desert": "sunset", "underwater": "day", "snow": "dawn"}
    if place in usual:
        return usual[place]
    hours = ("day", "day", "sunset", "dawn")
    return hours[int(stream("hour", key).integers(len(hours)))]


def _lights(place: str, hour: str) -> set[str]:
    if place in _CLOSED:
        return set()
    if hour in _SUN_HOURS:
        return {"sun"}
    return {"moon", "stars"} if hour == "night" else {"clouds"}


def _colours(words: list[str]) -> tuple[str, ...]:
    named = [_COLOURS[word] for word in words if word in _COLOURS]
    return tuple(dict.fromkeys(named))[:2]


def _energy(words: list[str]) -> float:
    tempers = {_TEMPERS[word] for word in words if word in _TEMPERS}
    return max((_ENERGIES[temper] for temper in tempers), default=1.0)
