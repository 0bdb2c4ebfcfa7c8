"""Whether an answer is in the language of the question: by script, and by the most frequent words of Latin ones."""

from __future__ import annotations

import re
from collections import Counter

from pointsman.core.answer import Answer, Grade
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.reading import said

_READ = 4_000  # characters of a text that are looked at
_SCRIPTS = {
    name: re.compile(f"[{letters}]")
    for name, letters in {
        "Latin": "A-Za-z\u00c0-\u024f",
        "Cyrillic": "\u0400-\u052f",
        "Greek": "\u0370-\u03ff",
        "Arabic": "\u0600-\u06ff",
        "Hebrew": "\u0590-\u05ff",
        "Devanagari": "\u0900-\u097f",
        "Thai": "\u0e00-\u0e7f",
        "Hangul": "\uac00-\ud7af",
        "kana": "\u3040-\u30ff",
        "Han": "\u4e00-\u9fff",
    }.items()
}
_PROFILES = {
    "English": "the of and to is in that it for was on are with as this be you what how which from have not can does do my an your will",
    "German": "der die und das ist nicht ein eine zu den mit sich von auf dem für im es sie wie was ich wir auch kann werden einen aber",
    "French": "le la les des est et une du que dans pour qui il pas sur au avec ce sont par plus vous je nous comment quelle quel cette ou",
    "Spanish": "el la los las que y es en un una por con para se del lo como más pero su al qué cómo cuál son está este tiene yo muy",
    "Italian": "il di che la e è un una per non sono del con le si della gli come nel da più cosa questo anche ha alla dei qual perché",
    "Portuguese": "o a os as que e é de do da em um uma para com não se por mais no na dos como são qual você foi ao pelo isso",
    "Dutch": "de het een van en is dat niet in op te zijn voor met die er aan wat hoe ook maar als naar ik je wordt worden om bij",
    "Scandinavian": "och att det som en på är av för den till inte med ett jag og er ikke til af af et på hvad hva hvordan jeg har vi man",
    "Polish": "i w nie na się z do to jest że o jak co po ale za od są być przez dla czy tak jaki który oraz lub ma może",
    "Turkish": "ve bir bu da de için ile ne mi çok daha olarak var olan gibi en kadar nasıl ben sen değil ama veya ya her şey hangi",
}
_WORDS = {name: frozenset(word for word in words.split() if len(word) > 1) for name, words in _PROFILES.items()}
_WORD = re.compile(r"[^\W\d_]+")
_OTHERWISE = re.compile(
    r"translat|übersetz|tradu[ci]|tradui|vertaal|перевед|перевод|翻译|翻訳|번역|ترجم"
    r"|\b(?:english|german|french|spanish|italian|portuguese|dutch|swedish|danish|norwegian|polish|turkish|russian|ukrainian|greek|arabic"
    r"|hebrew|hindi|thai|korean|japanese|chinese|mandarin|latin|deutsch|englisch|französisch|spanisch|anglais|français|allemand|espagnol"
    r"|inglés|español|francés|alemán|inglese|italiano|inglês|português|language|sprache|langue|idioma|lingua)\b|英语|中文|日本語|英語"
)


def language(answer: Answer, asked: Asked) -> Grade:
    """1: the question's language, 0: another. Abstains where either is short or unclear, or the request speaks of languages.

    >>> question = Asked("What is the name of the tower in the city?")
    >>> language(Answer("Das ist der Turm, und die Stadt ist nicht weit von dem Fluss."), question).value
    0.0
    """
    if _OTHERWISE.search(asked.wishes):
        return Grade("language", None, "the request speaks of languages")
    wanted, given = _spoken(asked.question), _spoken(answer.text)
    if wanted is None or given is None:
        return Grade("language", None, "the language is not clear")
    if wanted == given:
        return Grade("language", 1.0)
    return Grade("language", 0.0, f"the question is in {wanted}, the answer in {given}")


def _spoken(text: str) -> str | None:
    """The language of a text, or the script where that says it all."""
    prose = said(text[: _READ * 2])[:_READ]
    counts = {name: len(letters.findall(prose)) for name, letters in _SCRIPTS.items()}
    if counts["kana"] * 5 > counts["Han"]:  # Japanese is written in both
        counts["kana"] += counts["Han"]
        counts["Han"] = 0
    script = max(counts, key=lambda name: counts[name])
    if counts[script] < 8 or counts[script] < 0.8 * sum(counts.values()):
        return None
    return _latin(prose) if script == "Latin" else script


def _latin(prose: str) -> str | None:
    words = [word for word in _WORD.findall(prose.lower()) if len(word) > 1]  # single letters are names of options and variables
    hits = Counter({name: sum(word in known for word in words) for name, known in _WORDS.items()})
    (first, most), (_, second) = hits.most_common(2)
    sure = most >= 4 and most >= 0.15 * len(words) and most >= 1.5 * second and len(_WORDS[first].intersection(words)) >= 3
    return first if sure else None
