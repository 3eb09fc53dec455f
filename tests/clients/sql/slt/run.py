"""DataFusion's sqllogictest files for PostgreSQL compatibility, through our wire: python run.py FOLDER CSV.

FOLDER holds the files, CSV is the table that most of them ask. Our server creates no tables, so what a file
creates becomes a common table expression in front of each of its queries: the same rows, asked through the same
wire. A statement that creates, fills or drops a table is counted apart, as not applicable.

A record passes when types, rows and their order are those of the file, after the normalization that the files are
written in (sqllogictest's, for PostgreSQL). One that fails is told with its reason: refused, or a wrong answer.
"""

import csv
import decimal
import os
import pathlib
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import psycopg
from steps import CA, DATABASE, HOST, PASSWORD, PORT, USER

FOLDER, CSV = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
conn = psycopg.connect(
    host=HOST, port=PORT, user=USER, password=PASSWORD, dbname=DATABASE,
    sslmode="verify-full", sslrootcert=CA, autocommit=True,
)

# Object ids of types, as one letter of the files.
LETTERS = {
    16: "B", 20: "I", 21: "I", 23: "I", 25: "T", 1042: "T", 1043: "T", 700: "R", 701: "R", 1700: "R",
    1082: "D", 1083: "D", 1114: "P", 1184: "P",
}


def records(text):
    """The records of a file: line, conditions, kind, header, SQL, expected lines."""
    lines, at, conditions = text.splitlines(), 0, []
    while at < len(lines):
        line = lines[at].strip()
        if re.match(r"(onlyif|skipif)\s", line):
            conditions.append(tuple(line.split()[:2]))
            at += 1
        elif line.startswith(("statement", "query")):
            begun, kind, header = at + 1, line.split()[0], line.split()[1:]
            at += 1
            sql = []
            while at < len(lines) and lines[at].strip() and lines[at].strip() != "----":
                sql.append(lines[at])
                at += 1
            expected = []
            if at < len(lines) and lines[at].strip() == "----":
                at += 1
                while at < len(lines) and lines[at].strip():
                    expected.append(lines[at].rstrip())
                    at += 1
            yield begun, conditions, kind, header, "\n".join(sql).rstrip().rstrip(";"), expected
            conditions = []
        else:
            at += 1


def number(text):
    if text in ("NaN", "Infinity", "-Infinity"):
        return text
    value = decimal.Decimal(text).quantize(decimal.Decimal(1).scaleb(-12)) if "." in text or "e" in text.lower() else decimal.Decimal(text)
    plain = format(value.normalize(), "f")
    return "0" if plain in ("-0", "") else plain


def cell(text, oid):
    """A value as the files write it."""
    if text is None:
        return "NULL"
    if oid == 16:
        return {"t": "true", "f": "false"}[text]
    if oid in (700, 701, 1700):
        return number(text)
    if oid in (1114, 1184):
        return text.replace(" ", "T", 1)
    if oid in (25, 1042, 1043):
        return "(empty)" if text == "" else text.rstrip("\n")
    return text


class Tables:
    """What a file has created, as common table expressions."""

    def __init__(self):
        self.ctes = {}

    def take(self, sql):
        """Takes a statement about tables; whether it was one."""
        created = re.match(r"create\s+table\s+(\w+)\s*\((.*)\)\s*$", sql, re.I | re.S)
        if created:
            columns = [column.split(None, 1) for column in re.split(r",(?![^(]*\))", created[2])]
            kinds = [(name, re.sub(r"\bnot\s+null\b", "", kind, flags=re.I).strip()) for name, kind in columns]
            names = ", ".join(f"cast(null as {kind}) as {name}" for name, kind in kinds)
            self.ctes[created[1]] = (kinds, f"select {names} where false")
            return True
        created = re.match(r"create\s+table\s+(\w+)\s+as\s+(.*)$", sql, re.I | re.S)
        if created:
            self.ctes[created[1]] = ([], created[2])
            return True
        copied = re.match(r"copy\s+(\w+)\s+from\b", sql, re.I)
        if copied:
            kinds = self.ctes[copied[1]][0]
            with open(CSV, newline="") as file:
                rows = list(csv.reader(file))[1:]
            values = ", ".join("(" + ", ".join(f"'{value}'" for value in row) + ")" for row in rows)
            names = ", ".join(name for name, _ in kinds)
            cast = ", ".join(f"cast({name} as {kind}) as {name}" for name, kind in kinds)
            self.ctes[copied[1]] = (kinds, f"select {cast} from (values {values}) as file({names})")
            return True
        dropped = re.match(r"drop\s+table\s+(?:if\s+exists\s+)?(\w+)", sql, re.I)
        if dropped:
            self.ctes.pop(dropped[1], None)
        return bool(dropped)

    def before(self, sql):
        used = [f"{name} as ({query})" for name, (_, query) in self.ctes.items() if self.needed(name, sql)]
        if not used:
            return sql
        with_own = re.match(r"\s*with\s+", sql, re.I)
        rest = ", " + sql[with_own.end():] if with_own else " " + sql
        return "with " + ", ".join(used) + rest

    def needed(self, name, sql):
        word = rf"\b{name}\b"
        inside = any(re.search(word, query) for other, (_, query) in self.ctes.items()
                     if other != name and re.search(rf"\b{other}\b", sql))
        return bool(re.search(word, sql)) or inside


def ask(sql):
    """Types and rows: prepared for the types, then asked simply for the texts, as the files' own runner does."""
    result = conn.pgconn.prepare(b"", sql.encode())
    if result.status != psycopg.pq.ExecStatus.COMMAND_OK:
        raise RuntimeError(result.error_message.decode(errors="replace").strip())
    described = conn.pgconn.describe_prepared(b"")
    oids = [described.ftype(at) for at in range(described.nfields)]
    result = conn.pgconn.exec_(sql.encode())
    if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
        raise RuntimeError(result.error_message.decode(errors="replace").strip())
    rows = []
    for row in range(result.ntuples):
        values = [result.get_value(row, at) for at in range(result.nfields)]
        texts = [None if value is None else value.decode() for value in values]
        rows.append(" ".join(cell(text, oid) for text, oid in zip(texts, oids)))
    return "".join(LETTERS.get(oid, "?") for oid in oids), rows


def verdict(header, sql, expected, tables):
    """None for a pass, or the kind of the failure and what there is to say."""
    try:
        types, rows = ask(tables.before(sql))
    except RuntimeError as error:
        return "refused", str(error)
    sort = header[1] if len(header) > 1 else "nosort"
    if sort == "rowsort":
        rows, expected = sorted(rows), sorted(expected)
    if [" ".join(row.split()) for row in rows] != [" ".join(row.split()) for row in expected]:
        return "wrong answer", f"found {rows[:5]}, expected {expected[:5]}"
    if types != header[0]:
        return "other type", f"found {types}, expected {header[0]}"
    return None


def run():
    passed = failed = wrong = apart = 0
    for file in sorted(FOLDER.glob("*.slt")):
        tables, here, failures = Tables(), 0, []
        for line, conditions, kind, header, sql, expected in records(file.read_text()):
            # We stand in PostgreSQL's place.
            if ("skipif", "postgres") in conditions or any(c == "onlyif" and e != "postgres" for c, e in conditions):
                continue
            if tables.take(sql):
                apart += 1
                continue
            if kind == "statement":
                failures.append((line, "refused", f"no rule for: {sql[:80]}"))
                continue
            outcome = verdict(header, sql, expected, tables)
            if outcome is None:
                here += 1
            else:
                failures.append((line, *outcome))
        print(f"{file.name}: {here} passed, {len(failures)} failed")
        for line, kind, reason in failures:
            print(f"   line {line}: {kind}: {' '.join(reason.split())[:400]}")
        passed, failed = passed + here, failed + len(failures)
        wrong += sum(kind == "wrong answer" for _, kind, _ in failures)
    share = 100 * passed / max(1, passed + failed)
    print(f"{passed} of {passed + failed} records passed ({share:.1f} %), {wrong} wrong answers; "
          f"{apart} statements about tables not applicable")
    sys.exit(0 if share >= 90 and not wrong else 1)


run()
