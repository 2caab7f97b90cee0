"""The words of texts in any language, as the library finds them.

A text becomes *terms*: its words without case and accents. A word of a query finds every term that
begins with it. Languages that put no spaces between words have a term at each character, which is
long enough to find words of up to three characters exactly. An emoji is a term by itself.
Everything else, such as `%`, `_` and quotes, only separates.
"""

import re
import unicodedata

# What follows in a longer word does not count: nobody types it, and a key is not a word.
_LONGEST = 24
_RUN = 3
# Accents, and the vowel points of Hebrew and Arabic. Marks of other scripts make another letter.
_ACCENTS = (
    "\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670"
)
# Thai, Lao, Burmese, Khmer, Japanese and Chinese.
_SPACELESS = (
    "\u0e01-\u0e4e\u0e81-\u0ece\u1000-\u1049\u1050-\u109f\u1780-\u17d3\u3005-\u3007\u3041-\u3096"
    "\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
# Vowel signs of India, Sri Lanka and Tibet, which Python does not count among the letters.
_SIGNS = "\u0900-\u0963\u0966-\u0dff\u0f18-\u0f39\u0f3e-\u0f84\u0f86-\u0fbc\u3099\u309a"
_EMOJI = "\u2190-\u2bff\U0001f000-\U0001f3fa\U0001f400-\U0001faff"
_REMOVED = re.compile(f"[{_ACCENTS}]+")
_TERM = re.compile(
    f"(?P<run>[{_SPACELESS}]+)|(?P<sign>[{_EMOJI}])|(?:(?![{_SPACELESS}{_EMOJI}])(?:[^\\W_]|[{_SIGNS}]))+"
)


def plain(text: str) -> str:
    """The text without differences of case, accents and width."""
    if text.isascii():
        return text.lower()
    apart = _REMOVED.sub("", unicodedata.normalize("NFKD", text.casefold()))
    return unicodedata.normalize("NFC", apart)


def terms(*texts: str) -> set[str]:
    """The terms of the texts together."""
    found: set[str] = set()
    for text in texts:
        for match in _TERM.finditer(plain(text)):
            word = match[0]
            if match["run"]:
                found.update(word[i : i + _RUN] for i in range(len(word)))
            else:
                found.add(word[:_LONGEST])
    return found


def beginnings(terms: set[str]) -> set[str]:
    """Everything that a word of a query may be to find one of the terms."""
    return {term[:length] for term in terms for length in range(1, len(term) + 1)}


def wanted_terms(query: str) -> set[str]:
    """Beginnings of terms; a text that has all of them is found."""
    found: set[str] = set()
    for match in _TERM.finditer(plain(query)):
        word = match[0]
        if match["run"] and len(word) > _RUN:
            found.update(word[i : i + _RUN] for i in range(0, len(word) - _RUN, _RUN))
            found.add(word[-_RUN:])
        else:
            found.add(word[:_LONGEST])
    return {word for word in found if not any(w != word and w.startswith(word) for w in found)}
