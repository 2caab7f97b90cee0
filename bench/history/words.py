"""Prompts of several languages, as people write them: few words often, many words seldom."""

import random

_LANGUAGES = {
    "en": (
        "a the of in with on lighthouse storm ship sea harbour mountain forest winter light dawn"
        " city rain neon street portrait woman child dog cat horse bird garden castle river bridge"
        " cinematic slow quiet golden blue red old small huge wooden glass paper"
    ),
    "de": (
        "ein eine der die das im auf mit Leuchtturm Sturm Schiff Küste Gebirge Wald Winter Licht"
        " Straße Brücke Mädchen Hündchen Vögel Schloss Fluss größer golden rötlich alt klein Häuser"
    ),
    "fr": (
        "un une le la dans sur avec phare tempête bateau mer forêt hiver lumière rue pont château"
        " rivière garçon oiseau doré ancien été neige élégant rêve"
    ),
    "es": (
        "un una el la en con sobre faro tormenta barco mar montaña bosque invierno luz calle puente"
        " niño pájaro río otoño dorado pequeño sueño corazón"
    ),
    "ru": (
        "на в с маяк буря корабль море гора лес зима свет улица мост замок река птица девочка"
        " золотой старый маленький тихий вечер"
    ),
    "el": "στο με φάρος καταιγίδα πλοίο θάλασσα βουνό δάσος χειμώνας φως δρόμος γέφυρα ποτάμι",
    "ar": "في على مع منارة عاصفة سفينة بحر جبل غابة شتاء ضوء شارع جسر نهر طائر ذهبي قديم",
    "hi": "में पर के साथ दीपस्तंभ तूफान जहाज समुद्र पहाड़ जंगल सर्दी रोशनी सड़क पुल नदी पक्षी",
    "ko": "등대 폭풍 배 바다 산 숲 겨울 빛 거리 다리 강 새 황금빛 오래된 작은 조용한",
    "ja": "灯台 嵐 船 海 山 森 冬 光 通り 橋 川 鳥 金色の 古い 小さな 静かな",
    "zh": "灯塔 暴风雨 船 大海 山 森林 冬天 光 街道 桥 河 鸟 金色的 古老的 小小的",
}
_WEIGHTS = {"en": 50, "de": 10, "fr": 8, "es": 8, "ru": 6, "ja": 5, "zh": 5}
_WITHOUT_SPACES = {"ja", "zh"}
_SYLLABLES = ("ba", "ko", "ri", "ta", "mu", "ne", "lo", "shi", "vel", "dor", "an", "quin", "zar")
_RARE_WORDS = 20_000
# Words that a known number of items has: one in so many.
MARKS = {"zeppelin": 100_000, "orangutan": 10_000, "kaleidoscope": 1_000}


class Prompts:
    """Prompts drawn from one seed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._words = {name: text.split() for name, text in _LANGUAGES.items()}
        self._names = list(_LANGUAGES)
        self._weights = [_WEIGHTS.get(name, 2) for name in self._names]
        # The most frequent first.
        self.rare = sorted({self._made() for _ in range(_RARE_WORDS)})

    def prompt(self, number: int) -> str:
        """The prompt of item number `number`, of 4 to 12 words and some rare ones."""
        rng = self._rng
        [language] = rng.choices(self._names, self._weights)
        words = rng.choices(self._words[language], k=rng.randint(4, 12))
        # The rank falls off as in natural language.
        words += [self.rare[int(len(self.rare) ** rng.random()) - 1] for _ in range(2)]
        words += [mark for mark, every in MARKS.items() if number % every == every // 2]
        return ("" if language in _WITHOUT_SPACES else " ").join(words)

    def _made(self) -> str:
        return "".join(self._rng.choices(_SYLLABLES, k=self._rng.randint(2, 4)))
