"""lxml: all threads read one document, whose Python objects come and go with each use."""

import crowd
import stage

etree = stage.load("lxml.etree")
BOOKS = 30

library = etree.Element("library")
for number in range(BOOKS):
    book = etree.SubElement(library, "book", title=f"Volume {number}")
    etree.SubElement(book, "pages").text = str(100 + number)
del book


def wrong_books() -> int:
    wrong = int(len(library) != BOOKS)
    for number, book in enumerate(library):
        wrong += book.get("title") != f"Volume {number}"
        wrong += book[0].text != str(100 + number)
        wrong += book.getparent() is not library
    return wrong


crowd.report(crowd.wrong(lambda _: sum(wrong_books() for _ in crowd.rounds())))
