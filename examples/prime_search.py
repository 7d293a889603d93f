"""Workload: two threads look for Mersenne primes with gmpy2 while two run pure Python.

Plain use of gmpy2, nothing is shared by this program. The Lucas-Lehmer test says which exponents
make 2**p - 1 a prime; they are well known (OEIS A000043), and so is the number of primes below a
million (A006880), which the pure Python threads count.
"""

from collections.abc import Callable
from typing import Any

from harness.workload import Plan, expect, run

LIMIT = 2800
MERSENNE_EXPONENTS = [3, 5, 7, 13, 17, 19, 31, 61, 89, 107, 127, 521, 607, 1279, 2203, 2281]
COUNT_BELOW = 400_000
PRIMES_BELOW = 33_860


def is_mersenne_exponent(mpz: Any, p: int) -> bool:
    """Tell by the Lucas-Lehmer test whether 2**p - 1 is prime; `p` is an odd prime."""
    modulus = mpz(2) ** p - 1
    s = mpz(4)
    for _ in range(p - 2):
        s = (s * s - 2) % modulus
    return bool(s == 0)


def is_prime(number: int) -> bool:
    """Tell by trial division whether `number` is prime."""
    if number % 2 == 0:
        return number == 2
    divisor = 3
    while divisor * divisor <= number:
        if number % divisor == 0:
            return False
        divisor += 2
    return number > 1


def search(mpz: Any, number: int) -> Callable[[], None]:
    """Return a job that tests every second of the odd primes below LIMIT as an exponent."""
    mine = [p for p in range(3, LIMIT) if is_prime(p)][number::2]
    known = [p for p in MERSENNE_EXPONENTS if p in mine]

    def job() -> None:
        found = [p for p in mine if is_mersenne_exponent(mpz, p)]
        expect(f"Mersenne exponents of thread {number}", found, known)

    return job


def count_primes() -> None:
    """Count the primes below COUNT_BELOW, in Python alone."""
    found = sum(is_prime(number) for number in range(COUNT_BELOW))
    expect(f"primes below {COUNT_BELOW}", found, PRIMES_BELOW)


def prepare() -> Plan:
    """Import gmpy2 and plan two threads of each kind."""
    import gmpy2

    jobs = [search(gmpy2.mpz, 0), search(gmpy2.mpz, 1), count_primes, count_primes]
    return Plan(jobs, lambda: f"{len(MERSENNE_EXPONENTS)} Mersenne primes found")


if __name__ == "__main__":
    run(prepare)
