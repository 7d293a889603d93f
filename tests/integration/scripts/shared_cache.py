"""Expands templates from several threads that all meet each template for the first time."""

import stage

module = stage.load("shared_cache")
templates = [module.Template(f"Dear {{name}}, no. {i} of {{name}} is due") for i in range(800)]
ROUNDS = 25


def expand_all() -> int:
    wrong = 0
    for number, template in enumerate(templates):
        for _ in range(ROUNDS):
            wrong += template.expand("Ann") != f"Dear Ann, no. {number} of Ann is due"
    return wrong


wrong_texts = sum(stage.together(*[expand_all] * stage.THREADS))
statistics = module.statistics()
lost = stage.THREADS * ROUNDS * len(templates) - statistics["expansions"]
extra_parses = statistics["parses"] - len(templates)
stage.report(
    wrong_texts + abs(lost) + abs(extra_parses) + statistics["overlaps"],
    wrong_texts=wrong_texts,
    lost_expansions=lost,
    extra_parses=extra_parses,
    overlaps=statistics["overlaps"],
)
