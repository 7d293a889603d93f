"""Uses all that Cython makes of a legacy module from several threads."""

import stage

TIMES = 1_500
module = stage.load("cython_fixture")
closure = module.make_closure(1)
shared = module.Animal(1)


def use_functions() -> None:
    module.increment()
    assert module.increment_with(1, 2, named=3, other=4) == (1, (2,), 3, {"other": 4})
    assert closure(1) == 2
    assert list(module.counting_generator(3)) == [0, 1, 2]
    try:
        module.coroutine().send(None)
    except StopIteration as stop:
        assert stop.value == 7


def use_class() -> None:
    animal = module.Animal(3)
    assert animal.number == 3 and animal.value == 7 and animal.method(5) == 5
    assert animal.hybrid(6) == 6 and animal + 1 is animal and len(animal) == 3
    assert animal["key"] == "key" and repr(animal) == "Animal" and list(animal) == []
    animal.value = 1
    animal.static_method(), animal.class_method(), animal()
    bound = shared.method
    bound(1), module.Animal.method(shared, 2)


def use_all() -> None:
    use_functions()
    use_class()


def count_rounds(rounds: int, threads: int) -> int:
    before = module.count()
    stage.together(*[lambda: stage.repeat(use_all, rounds)] * threads)
    return module.count() - before


one_round = count_rounds(1, 1)
lost = one_round * TIMES * stage.THREADS - count_rounds(TIMES, stage.THREADS)
stage.report(
    abs(lost) + module.overlaps(), lost=lost, overlaps=module.overlaps(), one_round=one_round
)
