#!/usr/bin/env python3
"""Makes the sample station from the folder of source data; see ATTRIBUTION.md.

Usage: make-sample.py DATA_DIR [OUT_DIR]

Writes next to itself, or into OUT_DIR. The same input gives the same bytes: it reads no clock, no
network and no random source. Python's standard library only; nothing else here needs Python."""
import csv
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import sample_day  # noqa: E402
import sample_meter  # noqa: E402
import sample_natural  # noqa: E402
import sample_place  # noqa: E402
import sample_tables  # noqa: E402
from sample_day import CLOCK_OFFSET_S, PERIOD, instant  # noqa: E402
from sample_meter import PERIODS  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


class Out:
    """Writes files with LF line ends and nothing that depends on the machine."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)

    def text(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8", newline="\n") as file:
            file.write(text)

    def table(self, name, columns, rows):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def features(self, name, features):
        """One feature a line, so that a difference can be read."""
        lines = [json.dumps(f, ensure_ascii=False, separators=(",", ":")) for f in features]
        self.text(name, '{"type":"FeatureCollection","features":[\n'
                  + ",\n".join(lines) + "\n]}\n")


def premises_features(premises):
    for row in premises:
        keys = ("number", "account", "district", "street_office", "community", "estate", "building",
                "entrance", "floor", "room", "position_quality", "accuracy_m")
        yield {"type": "Feature", "properties": {key: row[key] for key in keys},
               "geometry": {"type": "Point", "coordinates": list(row["at"])}}


def meter_row(m):
    return {"manufacturer": m.maker, "meter_no": m.meter_no, "kind": m.kind,
            "premises": m.row["number"], "account": m.row["account"], "book": m.book,
            "walk_order": m.walk_order, "dial_digits": m.dial_digits, "unit_l": m.unit_l,
            "place": m.place, "installed_day": m.installed.isoformat(),
            "expiry_day": m.expiry.isoformat(), "yearly_l": m.yearly_l, "cabinet": m.cabinet,
            "state": "active"}


def history_row(m):
    row = {"manufacturer": m.maker, "meter_no": m.meter_no}
    for period, cell in m.cells.items():
        row["i" + period] = "" if cell is None else "%d%s" % (cell[0], "e" if cell[1] else "")
    return row


def act_row(act):
    m = act.meter
    return {"book": m.book, "walk_order": m.walk_order, "manufacturer": m.maker,
            "meter_no": m.meter_no, "index": act.index, "instant": instant(act.second),
            "method": act.method, "condition": act.condition, "photo": act.photo, "note": act.note,
            "worker": act.worker, "act": act.act, "entered": act.entered,
            "blind_index": act.blind_index, "outcome": act.outcome, "slip": act.slip,
            "reason": act.reason, "away_m": act.away_m, "photo_as": act.photo_as,
            "estimate_method": act.estimate_method}


def remote_rows(meters):
    """What the head-end knows half an hour after midnight; two modules have a weak battery."""
    remote = [m for m in meters if m.kind == "remote"]
    for number, m in enumerate(remote):
        weak = number % 25 == 7
        yield {"manufacturer": m.maker, "meter_no": m.meter_no, "period": PERIOD,
               "index": m.count(sample_day.DAY, 1800), "instant_ms": instant(1800),
               "battery_low": 1 if weak else 0, "status_code": "04" if weak else "00"}


def handheld_sections():
    """Everybody syncs in the morning and in the evening; two also at midday."""
    text = ""
    for n in range(1, 21):
        worker = "W%02d" % n
        minute = 30 + n
        sync = ["07:%02d" % minute, "18:%02d" % (n % 60)]
        text += "[handheld.%s]\nworker=%s\nbook=B%02d\n" % (worker, worker, n)
        if worker == "W08":
            text += "# Hears at 12:20 that B07 is his too.\n"
            sync.insert(1, "12:20")
        if worker == "W07":
            text += "# Hears only in the evening that B07 is no longer his.\n"
        if worker == "W09":
            text += "# Is set back to the morning's copy and works on before he syncs again.\n"
            sync.insert(1, "13:44")
        text += "sync=%s\n" % ",".join(sync)
        if worker in CLOCK_OFFSET_S:
            text += "clock_offset_s=%d\n" % CLOCK_OFFSET_S[worker]
        if worker == "W09":
            text += "backup_at=10:05\nrestore_at=13:45\n"
        text += "\n"
    return text


def expectations(day, meters, remote):
    reads = [a for a in day.acts if a.act == "read"]
    seen, on_site = {a.meter.key for a in reads}, {}
    for a in reads:
        if a.method == "on_site":
            on_site.setdefault(a.meter.key, set()).add(a.worker)
    numbers = {"acts": len(day.acts), "readings": len(reads),
               "visits": len(day.acts) - len(reads), "swaps": len(day.swaps),
               "meters": len(meters), "slots_empty": len(meters) - len(seen),
               "slots_two_readers": sum(len(w) > 1 for w in on_site.values()),
               "remote_readings": remote}
    rules = {}
    for row in day.injected:
        if row["expected_rule"] != "none" and row["period"] == PERIOD:
            name = "rule." + row["expected_rule"]
            rules[name] = rules.get(name, 0) + 1
    lines = ["%s=%d" % pair for pair in numbers.items()]
    return "\n".join(lines + ["%s=%d" % pair for pair in sorted(rules.items())])


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    data, out = sys.argv[1], Out(sys.argv[2] if len(sys.argv) == 3 else HERE)
    premises, books, frame = sample_place.load(data)
    sample_meter.classify(premises)
    meters = sample_meter.make(premises, sample_meter.load_series(data))
    day = sample_day.Day(meters)
    day.set_dials()
    for meter in meters:
        meter.make_history()
    day.look()
    day.inject()
    day.acts.sort(key=lambda a: (a.worker, a.second, a.meter.walk_order))

    accounts = [sample_meter.account_of(row) for row in premises]
    out.table("account.csv", accounts[0].keys(), accounts)
    out.features("premises.geojson", premises_features(premises))
    out.table("meter.csv", meter_row(meters[0]).keys(), map(meter_row, meters))
    out.table("book.csv", ("number", "name", "cycle_months", "difficulty_e2", "assignee"),
              [dict(book, cycle_months=1) for book in books])
    out.features("asset.geojson", sample_place.pipes(data, frame))
    out.table("history.csv", ["manufacturer", "meter_no"] + ["i" + p for p in PERIODS],
              map(history_row, meters))
    out.table("truth.csv", act_row(day.acts[0]).keys(), map(act_row, day.acts))
    out.table("swap.csv", day.swaps[0].keys(), day.swaps)
    out.table("injected.csv", day.injected[0].keys(), day.injected)
    natural = sample_natural.count(day)
    out.table("natural.csv", natural[0].keys(), natural)
    remote = list(remote_rows(meters))
    out.table("remote_reading.csv", remote[0].keys(), remote)
    sample_tables.write(out, data)
    with open(os.path.join(HERE, "day.ini.in"), encoding="utf-8") as file:
        text = file.read()
    text = text.replace("@HANDHELDS@", handheld_sections().rstrip() + "\n")
    out.text("day.ini", text.replace("@EXPECT@", expectations(day, meters, len(remote))))


main()
