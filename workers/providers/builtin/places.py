"""Which layers a scene has, from back to front."""

from collections.abc import Callable

from workers.providers.builtin.layers import airborne, plants, standing, weather
from workers.providers.builtin.layers.abstract import Orbs, Silk
from workers.providers.builtin.layers.boat import Boat
from workers.providers.builtin.layers.city import City, Glow, Traffic
from workers.providers.builtin.layers.clouds import Clouds
from workers.providers.builtin.layers.fire import Flames
from workers.providers.builtin.layers.land import dunes, ground, ridges
from workers.providers.builtin.layers.sky import Aurora, Sky, Stars
from workers.providers.builtin.layers.space import DeepStars, Nebula, Planet
from workers.providers.builtin.layers.undersea import Deep, Fish, Rays, weeds
from workers.providers.builtin.layers.water import Water
from workers.providers.builtin.palette import Colour, mix
from workers.providers.builtin.stage import Layer, Stage


def landscape(stage: Stage) -> list[Layer]:
    """The layers of the place that the description names, from back to front."""
    return _PLACES[stage.description.place](stage)


def falling(stage: Stage) -> list[Layer]:
    """The layers that fall or float in front of any scene."""
    layers: list[Layer] = []
    if stage.has("lightning"):
        layers.append(weather.Lightning(stage))
    if stage.has("rain"):
        layers.append(weather.Rain(stage))
    if stage.has("snowfall"):
        layers.append(weather.snowfall(stage))
    if stage.has("fireflies"):
        layers.append(weather.fireflies(stage))
    if stage.has("pollen"):
        layers.append(weather.motes(stage))
    if stage.has("embers"):
        layers.append(weather.embers(stage))
    if stage.has("bubbles"):
        layers.append(weather.bubbles(stage))
    return layers


def _heavens(stage: Stage, *, cover: float = 0.42, tall: bool = False) -> list[Layer]:
    layers: list[Layer] = [Sky(stage)]
    rows = min(stage.height, stage.horizon)
    if stage.has("stars"):
        layers.append(Stars(stage, rows))
    if stage.has("aurora"):
        layers.append(Aurora(stage))
    if stage.has("clouds"):
        thick = {"storm": 0.8, "night": cover * 0.6}.get(stage.description.hour, cover)
        layers.append(Clouds(stage, rows, cover=thick, tall=tall))
    if stage.has("fireworks"):
        layers.append(airborne.Fireworks(stage))
    return layers


def _standing(stage: Stage, foot: float, depth: float) -> list[Layer]:
    """Named things that stand on the ground at row `foot`."""
    layers: list[Layer] = []
    if stage.has("cabin"):
        layers += standing.cabin(stage, foot=foot, depth=depth)
    for name in ("person", "cat"):
        if stage.has(name):
            layers.append(standing.figure(stage, name, foot=foot, depth=depth))
    return layers


def _flying(stage: Stage) -> list[Layer]:
    """Named things in the air, in front of the land."""
    layers: list[Layer] = []
    if stage.has("balloon"):
        layers.append(airborne.Balloons(stage))
    if stage.has("birds"):
        layers.append(airborne.Birds(stage))
    return layers


def _sea(stage: Stage) -> list[Layer]:
    layers = _heavens(stage)
    if stage.has("hills"):
        layers += ridges(stage, count=2, tall=0.3)
    if stage.has("lighthouse"):
        layers.append(standing.Lighthouse(stage))
    if stage.has("water"):
        layers.append(Water(stage, 0.12 * stage.description.energy))
    if stage.has("boat"):
        layers.append(Boat(stage))
    foot = stage.height * 0.97
    things = _standing(stage, foot, 0.5)
    if things:
        layers.append(ground(stage, _sand(stage), top=0.93, rough=0.05, depth=0.5))
    return [*layers, *things, *_flying(stage)]


def _sand(stage: Stage) -> Colour:
    return mix(mix((0.8, 0.66, 0.46), stage.palette.near, 0.45), stage.palette.low, 0.15)


def _lake(stage: Stage) -> list[Layer]:
    layers = _heavens(stage)
    if stage.has("hills"):
        layers += ridges(stage, count=3, tall=0.62, snow=0.34)
    if stage.has("pines"):
        layers.append(
            _pines(stage, "shore", foot=stage.horizon - 1, high=0.07, depth=0.2, haze=0.2)
        )
    if stage.has("water"):
        layers.append(Water(stage, 0.03 * stage.description.energy, waves=16))
    if stage.has("boat"):
        layers.append(Boat(stage))
    if stage.has("mist"):
        layers.append(_mist(stage, stage.horizon - 0.06 * stage.height, 0.12, 0.4))
    if _standing(stage, 0, 0):
        layers.append(ground(stage, stage.palette.near, top=0.93, rough=0.05, depth=0.6))
    return [*layers, *_standing(stage, stage.height * 0.95, 0.6), *_flying(stage)]


def _mist(stage: Stage, top: float, high: float, thick: float) -> weather.Mist:
    return weather.Mist(
        stage, top=top, bottom=top + high * stage.height, thick=thick, name=f"mist{top:.0f}"
    )


def _pines(
    stage: Stage, name: str, *, foot: float, high: float, depth: float, haze: float
) -> Layer:
    tall = high * stage.height
    return plants.tree_line(
        stage, name, foot=foot, high=tall, gap=tall * 0.24, depth=depth, haze=haze
    )


def _mountain(stage: Stage) -> list[Layer]:
    layers = _heavens(stage)
    if stage.has("hills"):
        layers += ridges(stage, count=5, tall=0.72, snow=0.42)
    if stage.has("mist"):
        layers.insert(-2, _mist(stage, stage.horizon * 0.72, 0.2, 0.6))
        layers.append(_mist(stage, stage.horizon * 0.86, 0.2, 0.5))
    if stage.has("pines"):
        for i, (foot, high, haze) in enumerate(((0.9, 0.1, 0.22), (1.04, 0.2, 0.0))):
            row = stage.height * foot
            layers.append(
                _pines(stage, f"pines{i}", foot=row, high=high, depth=0.5 + 0.4 * i, haze=haze)
            )
    return [*layers, *_standing(stage, stage.height * 0.95, 0.8), *_flying(stage)]


def _snow(stage: Stage) -> list[Layer]:
    layers = _heavens(stage, cover=0.5)
    if stage.has("hills"):
        layers += ridges(stage, count=3, tall=0.6, snow=0.9)
    white = mix(mix(stage.palette.cloud_light, (1.0, 1.0, 1.0), 0.3), stage.palette.high, 0.12)
    far = ground(stage, mix(white, stage.palette.horizon, 0.3), top=0.68, rough=0.06, depth=0.35)
    near = ground(stage, white, top=0.84, rough=0.1, depth=0.75)
    pines: list[Layer] = []
    if stage.has("pines"):
        pines = [
            _pines(stage, f"pines{i}", foot=stage.height * foot, high=high, depth=depth, haze=haze)
            for i, (foot, high, depth, haze) in enumerate(
                ((0.69, 0.1, 0.3, 0.45), (0.8, 0.22, 0.5, 0.12))
            )
        ]
    things = _standing(stage, stage.height * 0.9, 0.75)
    return [*layers, *pines[:1], far, *pines[1:], near, *things, *_flying(stage)]


def _desert(stage: Stage) -> list[Layer]:
    layers = _heavens(stage, cover=0.25)
    if stage.has("hills"):
        layers += ridges(stage, count=2, tall=0.22)
    layers += dunes(stage) if stage.has("dunes") else []
    return [*layers, *_standing(stage, stage.height * 0.86, 0.6), *_flying(stage)]


def _meadow(stage: Stage) -> list[Layer]:
    layers = _heavens(stage, tall=True)
    if stage.has("hills"):
        layers += ridges(stage, count=3, tall=0.4)
    green = mix(
        stage.palette.near, (0.42, 0.6, 0.2), 0.4 if stage.description.hour != "night" else 0.05
    )
    top = stage.horizon / stage.height
    layers.append(_pines(stage, "edge", foot=stage.horizon + 4, high=0.07, depth=0.28, haze=0.3))
    far = mix(green, stage.palette.horizon, 0.14)
    layers.append(ground(stage, far, top=top + 0.01, rough=0.03, depth=0.3))
    layers.append(ground(stage, green, top=top + 0.07, rough=0.05, depth=0.45))
    layers += _standing(stage, stage.height * (top + 0.16), 0.5)
    if stage.has("flowers"):
        layers.append(plants.Flowers(stage, _petals(stage)))
    blade = mix(green, stage.palette.glow, 0.12)
    high = 0.1 * stage.height
    layers.append(plants.grass(stage, blade, top=stage.height * 1.0, high=high, depth=0.95))
    return [*layers, *_flying(stage)]


def _petals(stage: Stage) -> list[Colour]:
    """Three colours of flowers, dimmer at night."""
    sets: tuple[tuple[Colour, Colour, Colour], ...] = (
        ((0.86, 0.16, 0.13), (0.93, 0.35, 0.2), (0.96, 0.9, 0.86)),
        ((0.55, 0.35, 0.85), (0.75, 0.5, 0.9), (0.95, 0.93, 0.98)),
        ((0.98, 0.78, 0.18), (0.96, 0.55, 0.16), (0.98, 0.95, 0.85)),
        ((0.95, 0.45, 0.62), (0.98, 0.75, 0.8), (0.98, 0.96, 0.92)),
    )
    words = stage.description.key.split()
    named = {"poppy": 0, "lavender": 1, "sunflower": 2, "rose": 0, "blossom": 3, "tulip": 0}
    pick = next((named[w] for w in words if w in named), int(stage.rng("petals").integers(4)))
    chosen = list(sets[pick])
    if stage.description.colours:
        chosen[0] = mix(chosen[0], stage.palette.glow, 0.7)
        chosen[1] = mix(chosen[1], stage.palette.high, 0.7)
    dim = {"night": 0.25, "storm": 0.65, "sunset": 0.8}.get(stage.description.hour, 1.0)
    return [(r * dim, g * dim, b * dim) for r, g, b in chosen]


def _forest(stage: Stage) -> list[Layer]:
    layers = _heavens(stage, cover=0.3)
    if not stage.has("trees"):
        return [*layers, ground(stage, stage.palette.near, top=0.7, rough=0.06, depth=0.5)]
    rows = (
        (0.66, 0.3, 0.1, 0.8),
        (0.72, 0.42, 0.22, 0.56),
        (0.86, 0.6, 0.4, 0.24),
        (1.06, 0.86, 0.65, 0.03),
    )
    for i, (foot, high, depth, haze) in enumerate(rows):
        layers.append(
            _pines(stage, f"trees{i}", foot=foot * stage.height, high=high, depth=depth, haze=haze)
        )
        if stage.has("mist") and i < 3:
            layers.append(_mist(stage, stage.height * (foot - 0.16), 0.3, 0.6 - 0.14 * i))
    if stage.has("rays") and stage.description.hour in ("day", "dawn", "sunset"):
        layers.append(Rays(stage, strength=0.26, reach=1.0))
    layers += _standing(stage, stage.height * 0.94, 0.7)
    layers.append(plants.trunks(stage))
    if not stage.has("fireflies") and stage.description.hour != "storm":
        layers.append(weather.motes(stage))
    return layers


def _city(stage: Stage) -> list[Layer]:
    layers = _heavens(stage)
    if stage.description.hour == "night":
        layers.append(Glow(stage))
    if stage.has("hills"):
        layers += ridges(stage, count=2, tall=0.4)
    if stage.has("buildings"):
        layers.append(City(stage))
        layers.append(Traffic(stage))
    if stage.has("water"):
        layers.append(Water(stage, 0.03 * stage.description.energy, waves=16, murk=0.6))
    else:
        layers.append(
            ground(
                stage, stage.palette.near, top=stage.horizon / stage.height, rough=0.0, depth=0.4
            )
        )
    if stage.has("boat"):
        layers.append(Boat(stage))
    if _standing(stage, 0, 0):
        layers.append(ground(stage, stage.palette.ink, top=0.93, rough=0.0, depth=0.5))
    return [*layers, *_standing(stage, stage.height * 0.945, 0.5), *_flying(stage)]


def _fire(stage: Stage) -> list[Layer]:
    layers = _heavens(stage)
    if stage.has("trees"):
        layers.append(
            _pines(stage, "behind", foot=0.7 * stage.height, high=0.4, depth=0.2, haze=0.3)
        )
        layers.append(
            _pines(stage, "around", foot=0.78 * stage.height, high=0.62, depth=0.3, haze=0.08)
        )
    layers.append(
        ground(
            stage, mix(stage.palette.near, (0.3, 0.2, 0.12), 0.5), top=0.78, rough=0.03, depth=0.4
        )
    )
    column, foot = (
        stage.width * (0.5 if stage.width < 1.2 * stage.height else 0.56),
        stage.height * 0.87,
    )
    layers.append(standing.logs(stage, column, foot))
    layers += _standing(stage, stage.height * 0.9, 0.0)
    if stage.has("flames"):
        layers.append(Flames(stage, column, foot, 0.44 * stage.span))
    return layers


def _space(stage: Stage) -> list[Layer]:
    layers: list[Layer] = [Nebula(stage)]
    if stage.has("stars"):
        layers.append(DeepStars(stage))
    if stage.has("planet"):
        layers.append(Planet(stage))
    return [*layers, *_standing(stage, stage.height * 1.0, 0.0)]


def _undersea(stage: Stage) -> list[Layer]:
    layers: list[Layer] = [Deep(stage)]
    if stage.has("rays"):
        layers.append(Rays(stage, strength=0.5))
    plants_ = weeds(stage) if stage.has("plants") else []
    layers += plants_[:2]
    if stage.has("fish"):
        layers.append(Fish(stage))
    return [*layers, *plants_[2:]]


def _sky(stage: Stage) -> list[Layer]:
    return [*_heavens(stage, cover=0.55, tall=True), *_flying(stage)]


def _abstract(stage: Stage) -> list[Layer]:
    layers: list[Layer] = [Silk(stage)]
    if stage.description.style != "minimal":
        layers.append(Orbs(stage))
    return layers


_PLACES: dict[str, Callable[[Stage], list[Layer]]] = {
    "sea": _sea,
    "lake": _lake,
    "underwater": _undersea,
    "forest": _forest,
    "city": _city,
    "mountain": _mountain,
    "snow": _snow,
    "desert": _desert,
    "meadow": _meadow,
    "space": _space,
    "fire": _fire,
    "sky": _sky,
    "abstract": _abstract,
}
