"""python-rapidjson: documents of each thread, through the package's callbacks in both ways."""

import crowd
import stage

rapidjson = stage.load("rapidjson")


def to_complex(mapping: dict[str, object]) -> object:
    return complex(mapping["re"], mapping["im"]) if "re" in mapping else mapping


def from_complex(number: complex) -> dict[str, float]:
    return {"re": number.real, "im": number.imag}


def round_trips(number: int) -> int:
    wrong = 0
    document = {"points": [complex(k, number) for k in range(50)], "name": f"thread {number}"}
    for _ in crowd.rounds():
        text = rapidjson.dumps(document, default=from_complex)
        wrong += rapidjson.loads(text, object_hook=to_complex) != document
    return wrong


crowd.report(crowd.wrong(round_trips))
