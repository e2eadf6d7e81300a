"""How often the rules of volume hit without any help: the series' own spikes, zeros and falls.

The one idea: the formulas and shipped limits of schema/rules/rules.def, worked out here a second
time from history.csv and truth.csv alone, so that the day's injected cases can be told from what
the data bring along. Counts only; the product never reads them."""
import datetime

from sample_day import DAY, PERIOD
from sample_meter import PERIODS, READ_AT, last_day

ALL = PERIODS + [PERIOD]
RULES = ("reversed", "over_estimate", "passing_zero", "zero_occupied", "stopped_2", "spike hold",
         "spike sample", "slump", "commercial_drop", "estimates_3", "unknown_predecessor")
PRICE_E4 = {"residential": 31500}
PRICE_E4_FIRM = 43900


def median(values):
    values = sorted(values)
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) // 2


class Slot:
    def __init__(self, place, seconds, index, estimated, volume_l, days):
        self.place, self.seconds, self.index, self.estimated = place, seconds, index, estimated
        self.volume_l, self.days, self.usable = volume_l, days, volume_l is not None


def seconds_of(period, second):
    day = DAY if period == PERIOD else last_day(period)
    return (day - datetime.date(1970, 1, 1)).days * 86400 + second


def expected_use(slots, place, days, meter):
    """(volume, spread) of the span, as schema/rules/volume.h says."""
    season = [s.volume_l * days // s.days for s in slots if s.usable and
              (place - s.place) > 1 and (place - s.place) % 12 in (0, 1, 11)]
    if len(season) >= 3:
        middle = median(season)
        mad = median([abs(v - middle) for v in season])
        return middle, max(mad * 14826 // 10000, middle * 15 // 100, 3000)
    last = [s for s in slots if s.usable][-3:]
    if len(last) == 3:
        mean = sum(s.volume_l * days // s.days for s in last) // 3
        return mean, max(mean // 2, 3000)
    yearly = meter.yearly_l * days // 365
    return yearly, max(yearly, 3000)


def judge(meter, slots, place, second, index, estimated):
    """-> (hits, slot) for one more index."""
    hits = set()
    before = slots[-1] if slots else None
    here = seconds_of(ALL[place], second)
    if before is None:
        hits.add("unknown_predecessor")
        return hits, Slot(place, here, index, estimated, None, 0)
    days = max(1, round((here - before.seconds) / 86400))
    expected, spread = expected_use(slots, place, days, meter)
    moved = index - before.index
    usable = not estimated
    if before.estimated and not estimated:
        usable = False
    if moved < 0:
        forward = moved + 10 ** meter.dial_digits
        actual = next((s for s in reversed(slots) if not s.estimated), None)
        if before.estimated and actual and actual.index <= index:
            hits.add("over_estimate")
        elif (forward * 2 <= 10 ** meter.dial_digits
              and forward * meter.unit_l <= expected * 5):
            hits.add("passing_zero")
            moved = forward
        else:
            hits.add("reversed")
    volume = moved * meter.unit_l
    if moved >= 0 and not estimated:
        hits |= amount(meter, slots, volume, expected, spread)
    if estimated and len(slots) > 1 and slots[-1].estimated and slots[-2].estimated:
        hits.add("estimates_3")
    slot = Slot(place, here, index, estimated, volume, days)
    slot.usable = usable and volume >= 0
    return hits, slot


def amount(meter, slots, volume, expected, spread):
    hits, home = set(), meter.row["class"] == "residential"
    if volume == 0 and expected >= 3000 and not meter.row.get("vacant"):
        hits.add("zero_occupied")
        if slots[-1].volume_l == 0 and not slots[-1].estimated:
            hits.add("stopped_2")
    if volume > expected + 6 * spread:
        price = PRICE_E4["residential"] if home else PRICE_E4_FIRM
        fen = (volume - expected) * price // 100000
        hits.add("spike hold" if fen >= 50000 else "spike sample")
    if 0 < volume < expected - 3 * spread and expected - volume >= 5000:
        hits.add("slump")
    if meter.row["class"] == "commercial" and expected >= 10000 and volume * 2 < expected:
        hits.add("commercial_drop")
    return hits


def agree(expected, hits, key):
    """The rule that injected.csv expects hits here too; a near miss hits nothing of volume."""
    hits = {rule.split()[0] for rule in hits}
    if expected in {rule.split()[0] for rule in RULES} and expected not in hits:
        raise SystemExit("%s: %s was expected, got %s" % (key, expected, hits))
    if expected == "none" and hits:
        raise SystemExit("%s: nothing was expected, got %s" % (key, hits))


def count(day):
    """Rows of natural.csv: hits at slots that injected.csv does not name."""
    named = {}
    for row in day.injected:
        if row["kind"] not in ("expired", "wrong_clock"):
            key = (row["manufacturer"], row["meter_no"])
            named.setdefault(key, {})[row["period"]] = row["expected_rule"]
    swapped = {(s["manufacturer"], s["meter_no"]) for s in day.swaps}
    final = {}
    for act in day.acts:
        if act.act == "read":
            final[act.meter.key] = act
    old = dict.fromkeys(RULES, 0)
    now = dict.fromkeys(RULES, 0)
    slots_old = slots_now = 0
    for meter in day.meters:
        key = (meter.maker, meter.meter_no)
        slots = []
        for place, period in enumerate(ALL):
            if period == PERIOD:
                act = final.get(meter.key)
                if act is None or key in swapped:
                    continue
                cell = [act.entered or act.index, act.method == "estimate"]
                second = act.second
            else:
                cell, second = meter.cells[period], READ_AT
                if cell is None:
                    continue
            hits, slot = judge(meter, slots, place, second, *cell)
            slots.append(slot)
            if period == PERIOD:
                slots_now += 1
            else:
                slots_old += 1
            if period in named.get(key, ()):
                agree(named[key][period], hits, key)
            # What was done to the cells before the day is not the series' either.
            if period in named.get(key, ()) or (key in named and period >= "202511"):
                continue
            for rule in hits:
                (now if period == PERIOD else old)[rule] += 1
    return [{"rule": rule.split()[0], "form": (rule.split() + [""])[1],
             "history_hits": old[rule], "history_slots": slots_old,
             "open_hits": now[rule], "open_slots": slots_now} for rule in RULES]
