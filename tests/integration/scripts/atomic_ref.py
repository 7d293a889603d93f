"""Uses AtomicRefs from several threads at once: KIND of use, and the MODULE that has them."""

import gc
import sys

import stage

KIND, MODULE = sys.argv[1:]
Ref = stage.load(MODULE).Ref
SECONDS = 1.0


class Token:
    """An object of which it is known when it dies."""

    born: list[int] = []
    died: list[int] = []

    def __init__(self, number: int) -> None:
        self.number = number
        self.double = 2 * number
        Token.born.append(number)

    def __del__(self) -> None:
        Token.died.append(self.number)


def is_whole(token: Token) -> bool:
    """Whether it is a token that nobody has freed, or freed and used for something else."""
    try:
        return token.double == 2 * token.number
    except Exception:
        return False


def readers_and_writers() -> int:
    """Threads that read what others replace and so free."""
    ref = Ref()
    ref.set(Token(0))
    time = stage.Span(SECONDS)

    def read() -> int:
        wrong = 0
        while time:
            for _ in range(200):
                wrong += not is_whole(ref.get())
        return wrong

    def write() -> int:
        while time:
            for number in range(200):
                ref.set(Token(number))
        return 0

    wrong = sum(stage.together(read, read, write, write))
    ref.set(None)
    del ref
    return wrong + abs(len(Token.born) - len(Token.died))


def count_by_compare_and_set() -> int:
    """Threads that add to one number, each retrying when another was faster."""
    ref = Ref()
    ref.set(10**6)
    times = 300_000
    stage.together(*[lambda: ref.add(times)] * stage.THREADS)
    return abs(10**6 + stage.THREADS * times - ref.get())


def exchange() -> int:
    """Threads that swap objects: in the end each is somewhere, and in one place only."""
    ref = Ref()
    tokens = [Token(number) for number in range(stage.THREADS + 1)]
    ref.set(tokens[0])
    got = stage.together(*[lambda token=token: ref.pass_on(token, 10**6) for token in tokens[1:]])
    return len(tokens) - len({ref.get(), *got} & set(tokens))


def garbage() -> int:
    """References in a circle through an AtomicRef, which only the collector can free."""

    def make() -> None:
        for number in range(300):
            token = Token(number)
            token.ref = Ref()
            token.ref.set(token)
            del token
            if number % 100 == 0:
                gc.collect()

    stage.together(*[make] * stage.THREADS)
    gc.collect()
    return abs(len(Token.born) - len(Token.died)) + (len(Token.born) != 300 * stage.THREADS)


stage.report(globals()[KIND]())
