"""lxml: all threads read one document, whose Python objects come and go with each use."""

import crowd
import stage

etree = stage.load("lxml.etree")
SHELVES = 12
BOOKS = 15

library = etree.Element("library")
for shelf_number in range(SHELVES):
    shelf = etree.SubElement(library, "shelf", number=str(shelf_number))
    for book_number in range(BOOKS):
        book = etree.SubElement(shelf, "book", title=f"{shelf_number}.{book_number}")
        etree.SubElement(book, "pages").text = str(100 * shelf_number + book_number)
del shelf, book


def wrong_on_shelf(number: int) -> int:
    shelf = library[number]
    wrong = int(shelf.get("number") != str(number)) + int(len(shelf) != BOOKS)
    for position, book in enumerate(shelf.iterchildren("book")):
        wrong += book.get("title") != f"{number}.{position}"
        wrong += book.findtext("pages") != str(100 * number + position)
        wrong += book.getparent() is not shelf
    return wrong


def read(number: int) -> int:
    wrong = 0
    for turn in crowd.rounds():
        wrong += wrong_on_shelf((turn + number) % SHELVES)
    return wrong


crowd.report(crowd.wrong(read))
