"""PyYAML on libyaml: documents of each thread, and errors, which have to name the right place."""

import crowd
import stage

yaml = stage.load("yaml._yaml", "yaml")
GOOD_LINES = 5


def round_trip_is_right(number: int) -> bool:
    document = {"thread": number, "squares": [k * k for k in range(40)], "nested": {"a": [None]}}
    text = yaml.dump(document, Dumper=yaml.CSafeDumper)
    return yaml.load(text, Loader=yaml.CSafeLoader) == document


def error_is_right(number: int) -> bool:
    try:
        yaml.load("- good\n" * GOOD_LINES + f"- !nobody{number} here\n", Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        return error.problem_mark.line == GOOD_LINES and f"nobody{number}" in str(error)
    return False


def use(number: int) -> int:
    wrong = 0
    for _ in crowd.rounds():
        wrong += not round_trip_is_right(number)
        wrong += not error_is_right(number)
    return wrong


crowd.report(crowd.wrong(use))
