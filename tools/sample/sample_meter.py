"""Who pays and what counts: accounts, meters, and the litres that flowed on each day.

The one idea: a meter is a starting volume plus a running sum of litres; what a dial shows at an
instant is computed from that alone, so history and the open period can never disagree."""
import csv
import datetime
import os

from sample_place import pick

DAY_0 = datetime.date(2023, 1, 1)
PERIODS = ["%d%02d" % (year, month) for year in (2023, 2024, 2025) for month in range(1, 13)]
WEEKS, SHIFT_DAYS = 156, 182
SECONDS_A_DAY = 86400
READ_AT = 18 * 3600
MAKERS = ("示例甲表厂", "示例乙表厂", "示例丙表厂")
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
GIVEN = "安宁辰妍泽雨桐子墨思远佳怡浩然欣悦明轩晓楠志鹏文静海燕立群春梅建业秀云庆丰玉珍国栋"
PLACES = ("厨房", "厨房", "厨房", "阳台", "生活阳台", "卫生间")
SHOP_WORDS = ("小馆", "面馆", "饺子馆", "烧烤店", "早餐店", "酒楼")
PUBLIC_WORDS = ("幼儿园", "社区食堂", "养老院")


def person(*seed):
    """A made-up name."""
    n = pick(*seed, "name")
    given = GIVEN[n // 64 % len(GIVEN)]
    if n % 3:
        given += GIVEN[n // 4096 % len(GIVEN)]
    return SURNAMES[n // 262144 % len(SURNAMES)] + given


def load_series(folder):
    """The series without a zero week, as whole numbers."""
    path = os.path.join(folder, "meters-electricity-weekly", "weekly_consumption_kwh.csv")
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    series = [[round(float(cell)) for cell in row[1:]] for row in rows]
    return [s for s in series if len(s) == WEEKS and min(s) > 0]


def classify(premises):
    """The 30 greatest users are firms and public houses, the rest are homes."""
    by_use = sorted(premises, key=lambda r: (-r["annual_l"], r["number"]))
    for rank, row in enumerate(by_use):
        if rank < 3:
            row["class"] = "industrial"
        elif rank < 30:
            row["class"] = "public_use" if pick(row["number"], "public") % 6 == 0 else "commercial"
        else:
            row["class"] = "residential"


def account_of(row):
    n = pick(row["account"], "account")
    word = row["estate"][:2]
    if row["class"] == "residential":
        name, tariff, persons = person(row["account"]), "SJZ-RES-2023", 1 + (n % 3 + n // 3 % 4)
    else:
        words = PUBLIC_WORDS if row["class"] == "public_use" else SHOP_WORDS
        name = word + ("示例加工厂" if row["class"] == "industrial" else words[n % len(words)])
        tariff, persons = "DEMO-NONRES-2021", ""
    draw = n // 100 % 20
    if row.get("vacant"):
        persons = 0
    balance = 0
    if draw < 5:
        balance = n // 4000 % 30000
    elif draw < 8:
        balance = -(n // 4000 % 40000)
    return {"number": row["account"], "name": name,
            "phone": "1000%07d" % (int(row["account"][4:]) * 7919 % 10000000),
            "class": row["class"], "persons": persons, "tariff": tariff,
            "balance_fen": balance, "state": "open"}


class Meter:
    """One metering position and the gas that flowed through it."""

    def __init__(self, row, part, yearly_l, series):
        self.key = row["number"] if part == 0 else row["number"] + "/2"
        self.row, self.part, self.yearly_l = row, part, yearly_l
        self.book, self.walk_order = row["book"], 0
        n = pick(self.key, "meter")
        self.maker = MAKERS[(0, 0, 0, 0, 0, 1, 1, 1, 2, 2)[n % 10]]
        self.meter_no = "2%07d" % (n // 10 % 10000000)
        draw = n // 1000 % 100
        self.kind = "ic_card" if draw < 4 else "remote" if draw < 9 else "mechanical"
        self.dial_digits, self.unit_l = (6, 100) if self.kind == "remote" else (5, 1000)
        self.place = PLACES[n // 7 % len(PLACES)] if row["class"] == "residential" else "表箱"
        self.cabinet = row["cabinet"] if part == 0 else ""
        if self.cabinet:
            self.place = "楼道表箱"
        self.install(n)
        self.flow(series)
        self.cells, self.tags = {}, set()

    def install(self, n):
        """Most hang since 2016-2022; some are out of date, some are new."""
        draw = n // 100000 % 1000
        if draw < 15:
            self.installed = datetime.date(2014, 1, 10) + datetime.timedelta(n // 11 % 700)
        elif draw < 29 and self.part == 0 and self.row["class"] == "residential":
            self.installed = datetime.date(2023, 2, 10) + datetime.timedelta(n // 11 % 850)
        else:
            self.installed = datetime.date(2016, 3, 1) + datetime.timedelta(n // 11 % 2480)

    @property
    def expiry(self):
        day = min(self.installed.day, 28)
        return self.installed.replace(year=self.installed.year + 10, day=day)

    def flow(self, series):
        """Litres of each week: the mean of two series, each divided by its own sum, so scaled that
        156 weeks hold 156 weeks of the yearly volume."""
        a = pick(self.row["number"], "series a") % len(series)
        b = pick(self.row["number"], "series b") % (len(series) - 1)
        b += 1 if b >= a else 0
        a, b = series[a], series[b]
        sum_a, sum_b = sum(a), sum(b)
        total_l = self.yearly_l * WEEKS * 7 // 365
        week_l = [total_l * (x * sum_b + y * sum_a) // (2 * sum_a * sum_b) for x, y in zip(a, b)]
        self.until = [0]  # Litres before day d of 2023-01-01.
        for day in range(1130):
            week, weekday = divmod((day + SHIFT_DAYS) % (WEEKS * 7), 7)
            used = week_l[week] * (weekday + 1) // 7 - week_l[week] * weekday // 7
            self.until.append(self.until[-1] + used)
        days = (DAY_0 - self.installed).days
        self.base_l = self.yearly_l * days // 365 + pick(self.key, "odd") % 20000
        if days < 0:
            self.base_l = -self.until[-days]

    def litres(self, day, second):
        """Since 2023-01-01, at a second of a day, station time."""
        d = (day - DAY_0).days
        return self.until[d] + (self.until[d + 1] - self.until[d]) * second // SECONDS_A_DAY

    def wrap(self, count):
        return count % 10 ** self.dial_digits

    def count(self, day, second):
        """What the dial shows."""
        return self.wrap((self.base_l + self.litres(day, second)) // self.unit_l)

    def show(self, day, second, count):
        """Set the starting volume so that the dial shows count then."""
        self.base_l = count * self.unit_l + self.unit_l // 2 - self.litres(day, second)
        if self.base_l < 0:
            self.base_l += 10 ** self.dial_digits * self.unit_l

    def make_history(self):
        """cells: period -> [index, estimated], or None where nobody read."""
        actual = run = 0
        for place, period in enumerate(PERIODS):
            day = last_day(period)
            if day < self.installed:
                self.cells[period] = None
                continue
            count = self.count(day, READ_AT)
            draw = pick(self.key, period, "cell") % 1000
            calm = 0 < place < 33 and self.cells[PERIODS[place - 1]] is not None
            if calm and draw < 15 and run == 0 and count > actual:
                self.cells[period] = [actual + (count - actual) * 9 // 10, True]
                run = 1
            elif calm and 15 <= draw < 20:
                self.cells[period] = None
            else:
                self.cells[period] = [count, False]
                actual, run = count, 0


def last_day(period):
    year, month = int(period[:4]), int(period[4:])
    first_after = datetime.date(year + month // 12, month % 12 + 1, 1)
    return first_after - datetime.timedelta(1)


def second_meters(premises):
    """Twelve accounts have two meters: the greatest users, at most two of a book."""
    chosen, full = set(), {}
    for row in sorted(premises, key=lambda r: (-r["annual_l"], r["number"])):
        if len(chosen) < 12 and full.get(row["book"], 0) < 2:
            chosen.add(row["number"])
            full[row["book"]] = full.get(row["book"], 0) + 1
    return chosen


def make(premises, series):
    """-> meters, along the books and rounds."""
    doubled, meters, taken, walk = second_meters(premises), [], set(), {}
    for row in premises:
        parts = (row["annual_l"],)
        if row["number"] in doubled:
            parts = (row["annual_l"] * 3 // 5, row["annual_l"] - row["annual_l"] * 3 // 5)
        for part, yearly_l in enumerate(parts):
            meter = Meter(row, part, yearly_l, series)
            while (meter.maker, meter.meter_no) in taken:
                meter.meter_no = "2%07d" % ((int(meter.meter_no) + 1) % 10000000)
            taken.add((meter.maker, meter.meter_no))
            walk[meter.book] = walk.get(meter.book, 0) + 1
            meter.walk_order = walk[meter.book]
            meters.append(meter)
    equal_numbers(meters, taken)
    big_dials(meters)
    return meters


def equal_numbers(meters, taken):
    """Six pairs of two makers carry one number; two of the pairs lie in one book."""
    made = 0
    for step in range(len(meters)):
        a = meters[step * 37 % len(meters)]
        b = meters[(step * 37 + (5 if made < 2 else 211)) % len(meters)]
        if a.maker == b.maker or (b.maker, a.meter_no) in taken or "pair" in a.tags | b.tags:
            continue
        if made < 2 and a.book != b.book:
            continue
        taken.add((b.maker, a.meter_no))
        b.meter_no = a.meter_no
        a.tags.add("pair")
        b.tags.add("pair")
        made += 1
        if made == 6:
            return


def big_dials(meters):
    """Three firms have dials that count in tens of cubic metres."""
    firms = [m for m in meters if m.row["class"] == "commercial" and m.kind == "mechanical"]
    for meter in firms[::max(1, len(firms) // 3)][:3]:
        meter.dial_digits, meter.unit_l = 4, 10000
        meter.tags.add("tens")
