# SPDX-License-Identifier: Apache-2.0
"""The matrix: what was tried with whom, and how it went.

A section is a table of its own. A cell is 'pass', 'FAIL', 'skip' (something is not installed) or
'n/a' (it cannot be tried), the last two with the reason.
A cell that was never visited is a hole; in a full run a hole is a failure.
"""
from collections import OrderedDict


class Matrix:
    def __init__(self):
        self.sections = OrderedDict()

    def expect(self, section, row, column):
        """Makes room for a cell; rows and columns keep the order of their first mention."""
        table = self.sections.setdefault(section, {"columns": [], "rows": OrderedDict()})
        if column not in table["columns"]:
            table["columns"].append(column)
        table["rows"].setdefault(row, {})

    def put(self, section, row, column, result, reason=""):
        cells = self.sections[section]["rows"].setdefault(row, {})
        if cells.get(column, ("",))[0] != "FAIL":
            cells[column] = (result, reason)

    def holes(self):
        return [(section, row, column) for section, table in self.sections.items()
                for row, cells in table["rows"].items() for column in table["columns"]
                if column not in cells]

    def count(self):
        total = {"pass": 0, "FAIL": 0, "skip": 0, "n/a": 0}
        for table in self.sections.values():
            for cells in table["rows"].values():
                for result, _ in cells.values():
                    total[result] += 1
        return total

    def markdown(self):
        notes, numbers, lines = OrderedDict(), {}, ["# Interoperability matrix", ""]

        def note(reason):
            if reason not in numbers:
                numbers[reason] = len(numbers) + 1
                notes[numbers[reason]] = reason
            return numbers[reason]

        for section, table in self.sections.items():
            if not table["rows"]:
                continue
            lines += ["## " + section, "", "| | " + " | ".join(table["columns"]) + " |",
                      "|---|" + "---|" * len(table["columns"])]
            for row, cells in table["rows"].items():
                texts = []
                for column in table["columns"]:
                    result, reason = cells.get(column, ("**not run**", ""))
                    if reason:
                        result = "%s [%d]" % (result, note(reason))
                    texts.append("**FAIL**" if result == "FAIL" else result)
                lines.append("| %s | %s |" % (row, " | ".join(texts)))
            lines.append("")
        if notes:
            lines += ["Not tried, because:", ""]
            lines += ["%d. %s" % item for item in notes.items()]
            lines.append("")
        total = self.count()
        lines.append("%(pass)d passed, %(FAIL)d failed, %(skip)d skipped, %(n/a)d not applicable."
                     % total)
        return "\n".join(lines) + "\n"
