"""What happens on the sample day: who stands at which dial when, and what is wrong on purpose.

The one idea: a dial's index comes from the meter's own litres; whatever departs from it is put in
here, by name, and listed with the rule that ought to notice. Nothing is wrong that is not listed,
save what the real series bring along."""
import datetime

from sample_meter import DAY_0, PERIODS, READ_AT, last_day
from sample_place import metres, pick

DAY = datetime.date(2026, 1, 30)
PERIOD = "202601"
NOON, LUNCH_END = 12 * 3600, 13 * 3600 + 1800
MOVED_BOOK, MOVED_FROM, MOVED_TO = "B07", "W07", "W08"
HEARS_NOTHING_UNTIL = 12 * 3600 + 2400
# Books whose handheld is itself a case; nothing else is injected there.
SET_APART = {"B05", "B07", "B09", "B11"}
CLOCK_OFFSET_S = {"W05": -1769729400, "W11": 172800}


def clock(second):
    return "%02d:%02d:%02d" % (second // 3600, second // 60 % 60, second % 60)


def instant(second):
    return "%sT%s+08:00" % (DAY.isoformat(), clock(second))


class Act:
    """One deed of one worker at one meter: a reading or a visit."""

    def __init__(self, meter, worker, second):
        self.meter, self.worker, self.second = meter, worker, second
        self.act, self.method, self.condition = "read", "on_site", "normal"
        self.photo = 1 if pick(meter.key, "photo") % 5 == 0 else 0
        self.note = self.outcome = self.reason = self.estimate_method = self.photo_as = ""
        self.entered = self.blind_index = self.slip = ""
        self.away_m = pick(meter.key, "away") % 6
        self.index = None


class Day:
    def __init__(self, meters):
        self.meters = meters
        self.by_book = {}
        for meter in meters:
            self.by_book.setdefault(meter.book, []).append(meter)
        self.acts, self.injected, self.swaps, self.first = [], [], [], {}
        for book in sorted(self.by_book):
            self.walk(book)
        self.hand_over()

    # ---- The rounds ------------------------------------------------------------------------------
    def walk(self, book):
        """From a little after eight, lunch at noon; doors of one cabinet go quickly."""
        worker = "W" + book[1:]
        second, before, eaten = 8 * 3600 + 300 + pick(book, "start") % 600, None, False
        for meter in self.by_book[book]:
            if before is not None:
                same = meter.cabinet and meter.cabinet == before.cabinet
                twin = meter.row is before.row
                draw = pick(meter.key, "pace")
                second += 20 + draw % 15 if same or twin else 240 + draw % 240
            if second >= NOON and not eaten and book != MOVED_BOOK:
                second, eaten = max(second, LUNCH_END + pick(book, "lunch") % 600), True
            act = Act(meter, worker, second)
            self.acts.append(act)
            self.first[meter.key] = act
            before = meter

    def hand_over(self):
        """At noon the rest of a book goes to another; its reader does not hear it and goes on. The
        new one begins three doors before the place where the old one stopped."""
        mine = [a for a in self.acts if a.meter.book == MOVED_BOOK]
        done = [a for a in mine if a.second <= HEARS_NOTHING_UNTIL]
        rest = mine[len(done):]
        free_at = max(a.second for a in self.acts if a.worker == MOVED_TO) + 1200
        self.twice = []
        self.unheard = [a for a in done if a.second >= NOON]
        second = free_at
        for old in done[-3:]:
            act = Act(old.meter, MOVED_TO, second)
            self.acts.append(act)
            self.twice.append((old, act))
            second += 200 + pick(old.meter.key, "again") % 120
        for act in rest:
            act.worker, act.second = MOVED_TO, second
            second += 200 + pick(act.meter.key, "again") % 120

    # ---- Choosing --------------------------------------------------------------------------------
    def take(self, book, tag, test=lambda m: True, home=True):
        """The first meter of a book, from a picked place on, that nothing else was done to."""
        row = self.by_book[book]
        begin = pick(book, tag) % len(row)
        for meter in row[begin:] + row[:begin]:
            plain = (meter.kind == "mechanical" and meter.dial_digits == 5
                     and meter.unit_l == 1000 and not meter.tags)
            if (plain and (meter.row["class"] == "residential") == home
                    and datetime.date(2016, 2, 1) < meter.installed < DAY_0 and test(meter)):
                meter.tags.add(tag)
                return meter
        raise SystemExit("no meter in %s for %s" % (book, tag))

    def list(self, kind, meter, rule, severity="any", decision="", correct_to="", period=PERIOD,
             worker="", what=""):
        self.injected.append({"kind": kind, "manufacturer": meter.maker, "meter_no": meter.meter_no,
                              "book": meter.book, "period": period,
                              "worker": worker or self.first[meter.key].worker,
                              "expected_rule": rule, "severity": severity, "decision": decision,
                              "correct_to": correct_to, "what": what})

    def usual(self, meter):
        """Counts of an ordinary January up to the visit."""
        second = self.first[meter.key].second
        used = meter.litres(DAY, second) - meter.litres(last_day("202512"), READ_AT)
        return used // meter.unit_l

    # ---- Before history: what the dials themselves are like --------------------------------------
    def set_dials(self):
        for book in ("B01", "B04", "B12", "B18"):
            m = self.take(book, "rollover", lambda m: self.usual(m) > 80 and m.yearly_l < 3000000)
            m.dial_digits = 4
            m.show(last_day("202512"), READ_AT, 10000 - self.usual(m) // 2)
            self.list("rollover", m, "passing_zero", "note", "approve",
                      what="4-digit dial passes 9999 in the open period")
        for book, period in (("B02", "202404"), ("B06", "202308"), ("B14", "202411"),
                             ("B16", "202506")):
            m = self.take(book, "rollover_past", lambda m: m.yearly_l < 2800000)
            m.dial_digits = 4
            m.show(last_day(period), 0, 9985)
            self.list("rollover_past", m, "passing_zero", "note", period=following(period),
                      what="4-digit dial passed 9999 in the history")
        for book in ("B08", "B17"):
            m = self.take(book, "no_history")
            m.installed = datetime.date(2026, 1, 12)
            m.base_l = -m.litres(m.installed, 0) + 900
            self.list("no_history", m, "unknown_predecessor", "note",
                      what="installed this month: no index to count from")
        for m in self.meters:
            if m.expiry < DAY:
                m.tags.add("expired")
                self.list("expired", m, "expired_meter", "note", what="ten years are over")
        self.equal_neighbours("B14")

    def equal_neighbours(self, book):
        """Two doors in a row with one and the same index, which may be chance or a made-up one."""
        row = self.by_book[book]
        for a, b in zip(row, row[1:]):
            if (not a.tags and not b.tags and a.unit_l == b.unit_l == 1000 and a.dial_digits == 5
                    and b.dial_digits == 5 and not a.cabinet and not b.cabinet
                    and max(a.installed, b.installed) < DAY_0
                    and a.count(DAY, 36000) > 6 * b.yearly_l // 1000):
                count = a.count(DAY, self.first[a.key].second)
                b.show(DAY, self.first[b.key].second, count)
                a.tags.add("equal")
                b.tags.add("equal")
                self.list("equal_index", b, "equal_index", "sample", "approve",
                          what="same index as the door before, by chance")
                return
        raise SystemExit("no neighbours in " + book)

    # ---- After history ---------------------------------------------------------------------------
    def look(self):
        """Every act sees what the dial shows at its instant."""
        for act in self.acts:
            act.index = act.meter.count(DAY, act.second)

    def change(self, meter, index, **more):
        act = self.first[meter.key]
        act.index = index
        for key, value in more.items():
            setattr(act, key, value)
        return act

    def calm(self, m):
        """Read without a gap lately and in the same season, and a middling user."""
        cells = [m.cells[p] for p in PERIODS[-4:] + ["202401", "202501", "202312", "202412"]]
        return all(c and not c[1] for c in cells) and 60 < self.usual(m) < 260 and not m.cabinet

    def last(self, meter):
        return meter.cells["202512"][0]

    def inject(self):
        self.wrong_movement()
        self.wrong_amount()
        self.wrong_entry()
        self.nobody_home()
        self.wrong_place()
        self.new_devices()
        self.two_readers()
        self.wrong_clocks()

    def wrong_movement(self):
        for book, back, condition in (("B02", 34, "reversed"), ("B10", 52, "normal"),
                                      ("B15", 17, "normal")):
            m = self.take(book, "reversed", self.calm)
            self.change(m, self.last(m) - back, condition=condition, photo=1, reason="R05")
            self.list("reversed", m, "reversed", "hold", "correct", self.last(m),
                      what="%d below the last actual index" % back)
        for book, condition in (("B03", "stopped"), ("B08", "normal"), ("B17", "normal")):
            m = self.take(book, "stopped", self.calm)
            m.cells["202512"] = [m.cells["202511"][0], False]
            self.change(m, self.last(m), condition=condition, photo=1, reason="R04")
            self.list("stopped", m, "stopped_2", "sample", "approve",
                      what="the dial has stood still for two periods")
        for book in ("B01", "B06", "B13", "B19"):
            m = self.take(book, "zero", self.calm)
            self.change(m, self.last(m), photo=1, reason="R01")
            self.list("zero", m, "zero_occupied", "sample", "approve",
                      what="no gas in an occupied home")
        for book in ("B12", "B16"):
            m = self.take(book, "vacant", self.calm)
            m.row["vacant"] = True
            self.change(m, self.last(m), condition="vacant", note="无人居住")
            self.list("zero_vacant", m, "none", what="no gas in a vacant home is as it should be")

    def wrong_amount(self):
        for book, extra, severity in (("B03", 300, "hold"), ("B13", 220, "hold"),
                                      ("B10", 6, "sample"), ("B18", 9, "sample")):
            m = self.take(book, "over_estimate", self.calm)
            true = self.last(m)
            m.cells["202512"] = [true + self.usual(m) + extra, True]
            self.change(m, m.count(DAY, self.first[m.key].second), photo=1, reason="R06")
            self.list("over_estimate", m, "over_estimate", severity, "approve",
                      what="last month's estimate was about %d too high" % extra)
        for book in ("B04", "B10", "B15", "B20"):
            m = self.take(book, "spike", self.calm)
            self.change(m, self.last(m) + 7 * self.usual(m) + 300, photo=1, reason="R02")
            self.list("spike", m, "spike", "hold", "approve", what="seven times the usual and more")
        for book in ("B06", "B13", "B19"):
            m = self.take(book, "slump", self.calm)
            self.change(m, self.last(m) + max(1, self.usual(m) // 25), reason="R02")
            self.list("slump", m, "slump", "sample", "approve", what="a twenty-fifth of the usual")
        firms = [m for m in self.meters if m.row["class"] == "commercial" and not m.tags
                 and m.kind == "mechanical" and m.book not in SET_APART
                 and all(m.cells[p] and not m.cells[p][1] for p in ("202512", "202501", "202401"))]
        for m in firms[::max(1, len(firms) // 2)][:2]:
            m.tags.add("drop")
            self.change(m, self.last(m) + self.usual(m) * 35 // 100, photo=1, reason="R02")
            self.list("commercial_drop", m, "commercial_drop", "sample", "approve",
                      what="a firm used a third of the usual")

    def wrong_entry(self):
        for book in ("B16", "B20"):
            m = self.take(book, "beyond", lambda m: self.calm(m) and self.last(m) > 10000)
            act = self.first[m.key]
            act.entered, act.photo, act.reason = act.index * 10 + 7, 1, "R01"
            self.list("red_digits", m, "beyond_dial", "hold", "correct", act.index,
                      what="the red digit was typed too: six digits of a dial with five")
        for book in ("B12", "B17"):
            m = self.take(book, "misread", lambda m: self.calm(m) and self.usual(m) < 200)
            act = self.first[m.key]
            act.entered, act.photo, act.reason = act.index + 2000, 1, "R01"
            self.list("misread", m, "spike", "hold", "correct", act.index,
                      what="the thousands were read as two more, twice")
        for book in ("B01", "B08", "B14", "B19"):
            m = self.take(book, "slip", lambda m: self.calm(m) and slip_of(self.index(m)) >= 0)
            act = self.first[m.key]
            act.blind_index = slip_of(act.index)
            self.list("slip_of_the_finger", m, "none",
                      what="two digits exchanged at first, right at the second asking")
        for book, condition, note in (("B02", "dirty", "表盘有油污"), ("B12", "damaged", "表罩破裂"),
                                      ("B15", "tamper", "铅封断开"), ("B20", "dirty", "表盘结霜")):
            m = self.take(book, "condition", self.calm)
            self.change(m, self.index(m), condition=condition, note=note, photo=1)
            self.list("condition", m, "condition_reported",
                      "note" if condition == "dirty" else "sample", "approve", what=condition)

    def index(self, meter):
        return self.first[meter.key].index

    def nobody_home(self):
        """A visit without entry instead of the reading; then a second try, an estimate, or none."""
        then = ("again again estimate again none estimate again estimate again none").split()
        books = "B01 B02 B03 B04 B06 B08 B10 B13 B16 B18".split()
        outcomes = ("no_access",) * 7 + ("refused", "dog", "moved")
        for place, (book, what) in enumerate(zip(books, then)):
            m = self.take(book, "no_access", self.calm)
            visit = self.first[m.key]
            visit.act, visit.method, visit.outcome = "visit", "", outcomes[place]
            visit.condition, visit.photo, visit.slip = "no_access", 1, 1
            visit.entered = visit.reason = ""
            rule = "none"
            if what == "again":
                act = Act(m, visit.worker, 16 * 3600 + 1800 + pick(m.key, "again") % 1800)
                act.index = m.count(DAY, act.second)
                self.acts.append(act)
            elif what == "estimate":
                rule = self.estimate(m, visit, third=book == "B03")
            self.list("no_access", m, rule, "any" if rule == "none" else "sample",
                      what="%s; then: %s" % (visit.outcome, what))
        m = self.take("B19", "unproven", self.calm)
        act = self.first[m.key]
        self.guess(m, act)
        self.list("estimate_without_visit", m, "estimate_unproven", "sample", "re_read",
                  what="an estimate, and nobody was there")

    def estimate(self, m, visit, third):
        act = Act(m, visit.worker, visit.second + 40)
        act.index = m.count(DAY, act.second)
        self.guess(m, act)
        self.acts.append(act)
        if not third:
            return "none"
        for period, before in (("202511", "202510"), ("202512", "202511")):
            true = m.cells[period][0]
            m.cells[period] = [(m.cells[before][0] + true) // 2, True]
        return "estimates_3"

    def guess(self, m, act):
        season = m.cells["202501"][0] - m.cells["202412"][0]
        act.method, act.estimate_method, act.condition = "estimate", "same_season", "no_access"
        act.photo, act.entered = 0, self.last(m) + season

    def wrong_place(self):
        for book, quality, rule in (("B04", "surveyed", "far_from_premises"),
                                    ("B18", "learned", "far_from_premises"),
                                    ("B14", "imported", "none")):
            m = self.take(book, "far", lambda m: m.row["position_quality"] == quality)
            self.first[m.key].away_m = 640
            self.list("far_away", m, rule, "any" if rule == "none" else "note",
                      what="read 640 m north of a place that is " + quality)
        run = self.far_apart("B13")
        for place, meter in enumerate(run):
            act = self.first[meter.key]
            act.second = self.first[run[0].key].second + 3 * place
            act.index = meter.count(DAY, act.second)
            meter.tags.add("pace")
            if place:
                self.list("pace", meter, "implausible_pace", "note",
                          what="three seconds after the door before, in no cabinet")
        row = self.by_book["B10"]
        for a, b in zip(row, row[1:]):
            if not a.tags and not b.tags and not a.cabinet and not b.cabinet:
                self.first[a.key].photo = self.first[b.key].photo = 1
                self.first[b.key].photo_as = a.maker + "/" + a.meter_no
                a.tags.add("photo")
                b.tags.add("photo")
                self.list("same_photo", b, "same_photo", "sample", "re_read",
                          what="the photo of the door before once more")
                return

    def far_apart(self, book):
        """Five doors in a row without cabinet, at least 8 m from one to the next."""
        row = self.by_book[book]
        for begin in range(len(row) - 5):
            run = row[begin:begin + 5]
            if all(not m.tags and not m.cabinet for m in run) and all(
                    metres(a.row["at"], b.row["at"]) > 8 for a, b in zip(run, run[1:])):
                return run
        raise SystemExit("no run in " + book)

    def new_devices(self):
        """The dial is changed by the reader just before he reads the new one."""
        new = (("B02", 5, 1000, 0), ("B08", 5, 1000, 3), ("B15", 6, 100, 0), ("B20", 5, 1000, 1))
        for number, (book, digits, unit_l, start) in enumerate(new):
            m = self.take(book, "swap", self.calm)
            act = self.first[m.key]
            self.swaps.append({
                "manufacturer": m.maker, "meter_no": m.meter_no, "worker": act.worker,
                "period": PERIOD, "instant": instant(act.second - 90),
                "old_final_index": act.index, "new_initial_index": start,
                "new_manufacturer": "示例乙表厂", "new_meter_no": "290000%02d" % (number + 1),
                "new_dial_digits": digits, "new_unit_l": unit_l,
                "reason": ("S01", "S02", "S01", "S03")[number], "seal": "F26%05d" % (117 + number)})
            act.index, act.photo = start, 1
            self.list("swap", m, "none", what="swapped at %d; the new dial begins at %d"
                      % (self.swaps[-1]["old_final_index"], start))

    def two_readers(self):
        for act in self.unheard:
            if all(act is not old for old, _ in self.twice):
                self.list("read_after_move", act.meter, "none", worker=MOVED_FROM,
                          what="read before the reader could hear that the book had moved")
        for place, (old, new) in enumerate(self.twice):
            if place == 0:
                self.list("two_readers", old.meter, "none", worker=MOVED_FROM + "+" + MOVED_TO,
                          what="two workers read one meter and agree")
                continue
            extra = max(40, self.usual(old.meter) * (1 + place) // 4)
            old.entered, old.reason = old.index + extra, "R01"
            self.list("two_readers", old.meter, "readings_disagree", "hold", "correct", new.index,
                      worker=MOVED_FROM + "+" + MOVED_TO,
                      what="two workers read one meter; the first typed %d more" % extra)

    def wrong_clocks(self):
        for worker, what in (("W05", "the handheld's clock stands at 1970"),
                             ("W11", "the handheld's clock is two days ahead")):
            for meter in self.by_book["B" + worker[1:]]:
                self.list("wrong_clock", meter, "clock_untrusted", what=what)


def following(period):
    return PERIODS[PERIODS.index(period) + 1] if period != PERIODS[-1] else PERIOD


def slip_of(index):
    """The index with two neighbouring digits exchanged, where that is far off; else -1."""
    text = str(index)
    for at in range(len(text) - 3):
        other = int(text[:at] + text[at + 1] + text[at] + text[at + 2:])
        if other - index > 1500 and text[at + 1] != "0":
            return other
    return -1
