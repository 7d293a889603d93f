"""gmpy2 in each thread for itself: nothing is shared but the package's caches of freed numbers."""

import math

import crowd
import stage

gmpy2 = stage.load("gmpy2")
TERMS = 80


def telescope_is_right() -> bool:
    terms = [gmpy2.mpq(1, k * (k + 1)) for k in range(1, TERMS)]
    return sum(terms, gmpy2.mpq()) == gmpy2.mpq(TERMS - 1, TERMS)


def factorials_are_right(number: int) -> bool:
    product = gmpy2.mpz(1)
    products = [product := product * k for k in range(1, TERMS + number)]
    return all(int(found) == math.factorial(k) for k, found in enumerate(products, 1))


def roots_are_right(number: int) -> bool:
    sides = [gmpy2.mpfr(k + number) for k in range(TERMS)]
    return [gmpy2.sqrt(side * side) for side in sides] == list(range(number, TERMS + number))


def compute(number: int) -> int:
    wrong = 0
    for _ in crowd.rounds():
        wrong += not telescope_is_right()
        wrong += not factorials_are_right(number)
        wrong += not roots_are_right(number)
    return wrong


crowd.report(crowd.wrong(compute))
