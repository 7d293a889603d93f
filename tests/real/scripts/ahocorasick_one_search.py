"""pyahocorasick: all threads take matches from one search, each of which must come out once."""

import crowd
import stage

ahocorasick = stage.load("ahocorasick")
COLOURS = ["red;", "green;", "blue;", "yellow;"]
REPEATS = 100_000
text = "".join(COLOURS) * REPEATS

automaton = ahocorasick.Automaton()
for colour in COLOURS:
    automaton.add_word(colour, colour)
automaton.make_automaton()
search = automaton.iter(text)
found: list[list[tuple[int, str]]] = [[] for _ in range(stage.THREADS)]


def take(number: int) -> int:
    wrong = 0
    for end, colour in search:
        wrong += text[end + 1 - len(colour) : end + 1] != colour
        found[number].append((end, colour))
    return wrong


wrong_matches = crowd.wrong(take)
matches = [match for part in found for match in part]
expected = len(COLOURS) * REPEATS
repeated = len(matches) - len(set(matches))
lost = expected - len(set(matches))
crowd.report(wrong_matches + repeated + abs(lost), repeated=repeated, lost=lost)
