"""Has legacy code look for items in a list that it has not filled yet."""

import stage

stage.report(0, missing=stage.load("borrowed_items").missing_items())
