"use strict";

// A click on a heading sorts its table by that column: figures first from the largest on, texts
// from A on; a second click turns the order round. Without this script the tables stay as they are.

function keyOf(row, column) {
    const cell = row.cells[column];
    return "key" in cell.dataset ? Number(cell.dataset.key) : cell.textContent;
}

function inOrder(left, right) {
    return typeof left === "number" ? left - right : left.localeCompare(right);
}

function sortBy(table, heading) {
    const column = heading.cellIndex;
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    const figures = rows.length > 0 && typeof keyOf(rows[0], column) === "number";
    const before = heading.getAttribute("aria-sort");
    const descending = before ? before === "ascending" : figures;
    const sign = descending ? -1 : 1;
    rows.sort((left, right) => sign * inOrder(keyOf(left, column), keyOf(right, column)));
    body.append(...rows);
    for (const other of heading.parentNode.cells) {
        other.removeAttribute("aria-sort");
    }
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
}

for (const table of document.querySelectorAll("table")) {
    for (const heading of table.tHead.rows[0].cells) {
        const button = document.createElement("button");
        button.type = "button";
        button.append(...heading.childNodes);
        button.addEventListener("click", () => sortBy(table, heading));
        heading.append(button);
    }
}
