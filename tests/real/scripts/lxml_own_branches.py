"""lxml: each thread grows and prunes a branch of its own in one document."""

import crowd
import stage

etree = stage.load("lxml.etree")
LEAVES = 40
root = etree.Element("root")
branches = [etree.SubElement(root, "branch") for _ in range(stage.THREADS)]


def grow(number: int) -> int:
    wrong = 0
    branch = branches[number]
    for turn in crowd.rounds():
        for position in range(LEAVES):
            leaf = etree.SubElement(branch, "leaf")
            leaf.text = f"{number} {turn} {position}"
        found = [leaf.text for leaf in branch]
        wrong += found != [f"{number} {turn} {position}" for position in range(LEAVES)]
        for leaf in list(branch):
            branch.remove(leaf)
    return wrong


crowd.report(crowd.wrong(grow) + int(root.xpath("count(//leaf)")))
