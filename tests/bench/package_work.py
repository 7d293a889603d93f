"""Work of real packages and of pure Python, on demand.

package_work.py WORK reads lines of JSON, [threads, rounds, package, python]: that many threads
each repeat `rounds` times the package's work, if `package` is true, and then a loop of `python`
steps in pure Python. It answers each with the seconds this took, and whether the GIL is on.
"""

import json
import sys
from collections.abc import Callable

from measure import second_thread, seconds_of_threads

Job = Callable[[], object]


def lxml_parse_and_xpath() -> Job:
    from lxml import etree

    books = "".join(
        f'<book id="{number}" lang="{"en" if number % 3 else "fr"}"><title>Title {number}</title>'
        f"<author>Author {number % 17}</author><price>{number % 50}.5</price></book>"
        for number in range(300)
    )
    text = f"<shop>{books}</shop>".encode()

    def job() -> None:
        shop = etree.fromstring(text)
        shop.xpath("//book[@lang='fr' and price > 20]/title/text()")
        for book in shop.xpath("//book[author = 'Author 3']"):
            book.get("id")

    return job


def pyyaml_load() -> Job:
    import yaml

    record = {"name": "record", "values": list(range(20)), "where": {"x": 1.5, "y": None}}
    text = yaml.dump([record | {"number": number} for number in range(10)])
    return lambda: yaml.load(text, Loader=yaml.CSafeLoader)


def gmpy2_sums() -> Job:
    import gmpy2

    step = gmpy2.mpz(12_345)

    def job() -> None:
        total = gmpy2.mpz(1)
        for _ in range(5_000):
            total = total + step

    return job


def gmpy2_lucas_lehmer() -> Job:
    import gmpy2

    exponent = 1279
    modulus = gmpy2.mpz(2) ** exponent - 1

    def job() -> None:
        s = gmpy2.mpz(4)
        for _ in range(exponent - 2):
            s = (s * s - 2) % modulus

    return job


WORK = {
    "lxml": lxml_parse_and_xpath,
    "PyYAML": pyyaml_load,
    "gmpy2-sums": gmpy2_sums,
    "gmpy2-lucas-lehmer": gmpy2_lucas_lehmer,
}


def steps_of_python(count: int) -> int:
    total = 0
    for number in range(count):
        total += number & 7
    return total


def main() -> None:
    prepare = WORK[sys.argv[1]]

    def mix(rounds: int, package: bool, python: int) -> Job:
        job = prepare()

        def repeat() -> None:
            for _ in range(rounds):
                if package:
                    job()
                steps_of_python(python)

        return repeat

    prepare()()  # imports the package and fills its caches
    with second_thread():
        for line in sys.stdin:
            threads, *plan = json.loads(line)
            seconds = seconds_of_threads(threads, lambda: mix(*plan))
            print(json.dumps([seconds, sys._is_gil_enabled()]), flush=True)


if __name__ == "__main__":
    main()
