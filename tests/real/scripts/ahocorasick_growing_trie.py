"""pyahocorasick: all threads add their words to one trie, in which all words share their nodes."""

import crowd
import stage

ahocorasick = stage.load("ahocorasick")
WORDS = 60_000  # of each thread
automaton = ahocorasick.Automaton()


def word(number: int, index: int) -> str:
    return f"{index:x}{'qrst'[number]}"


def add(number: int) -> int:
    wrong = 0
    for index in range(WORDS):
        automaton.add_word(word(number, index), (number, index))
        wrong += index % 64 == 0 and automaton.get(word(number, index)) != (number, index)
    return wrong


wrong_at_once = crowd.wrong(add)
missing = sum(
    automaton.get(word(number, index), None) != (number, index)
    for number in range(stage.THREADS)
    for index in range(WORDS)
)
extra = len(automaton) - stage.THREADS * WORDS
crowd.report(wrong_at_once + missing + abs(extra), missing=missing, extra=extra)
