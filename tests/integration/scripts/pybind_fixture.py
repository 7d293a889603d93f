"""Uses all that pybind11 makes of a legacy module from several threads."""

import stage

TIMES = 2_500
module = stage.load("pybind_fixture")
shared = module.Animal(1)


def refuses() -> bool:
    try:
        module.refuse()
    except ValueError as error:
        return str(error) == "pybind_fixture does not want to"
    return False


def use_all() -> None:
    module.increment()
    assert refuses() and module.call_back(lambda: 7) == 7
    animal = module.Animal(number=3)
    assert animal.method(value=4) == 7 and animal.number == 3 and repr(animal) == "Animal"
    animal.number = 5
    shared.method(1)


def count_rounds(rounds: int, threads: int) -> int:
    before = module.count()
    stage.together(*[lambda: stage.repeat(use_all, rounds)] * threads)
    return module.count() - before


one_round = count_rounds(1, 1)
lost = one_round * TIMES * stage.THREADS - count_rounds(TIMES, stage.THREADS)
stage.report(
    abs(lost) + module.overlaps(), lost=lost, overlaps=module.overlaps(), one_round=one_round
)
