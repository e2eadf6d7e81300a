"""Where the sample station lies: the source's premises and pipes moved to Shijiazhuang, cut into
20 books that one worker can walk, and given made-up buildings with doors.

The one idea: everything follows from the source rows and SHA-256 of their numbers, so that the same
input gives the same bytes. No clock, no network, no random source."""
import csv
import hashlib
import json
import math
import os

LAT_NEW, LON_NEW = 38.042, 114.510
STRIPS, BOOKS_A_STRIP = 5, 4
DISTRICT = "长安区"
STREETS = ("建北街道", "青园街道", "广安街道", "育才街道", "跃进街道")
ESTATE_WORDS = ("安禾", "清枫", "云杉", "栖梧", "知夏", "听荷", "映月", "和畅", "锦程", "朗悦",
                "松涛", "春晓", "望岳", "紫薇", "银杏", "柏舟", "景和", "汇泽", "怡心", "远山")
METRES_A_DEGREE = 111195.0


def pick(*parts):
    """A whole number that depends on nothing but parts."""
    text = "|".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def read_geojson(folder, name):
    with open(os.path.join(folder, "gasnet-schutterwald", name), encoding="utf-8") as file:
        return json.load(file)["features"]


class Frame:
    """The move: the middle of the source's premises comes to lie at LAT_NEW, LON_NEW; east-west
    offsets are stretched by the ratio of the cosines, so that metres stay metres."""

    def __init__(self, points):
        lons, lats = [p[0] for p in points], [p[1] for p in points]
        self.lon = (min(lons) + max(lons)) / 2
        self.lat = (min(lats) + max(lats)) / 2
        self.stretch = math.cos(math.radians(self.lat)) / math.cos(math.radians(LAT_NEW))

    def move(self, point):
        return (round(LON_NEW + (point[0] - self.lon) * self.stretch, 7),
                round(LAT_NEW + (point[1] - self.lat), 7))


def metres(a, b):
    shrink = math.cos(math.radians(LAT_NEW))
    return METRES_A_DEGREE * math.hypot((a[0] - b[0]) * shrink, a[1] - b[1])


def cut(rows, count):
    """Rows in count runs whose sizes differ by at most one."""
    runs, begin = [], 0
    for number in range(count):
        end = begin + len(rows) // count + (1 if number < len(rows) % count else 0)
        runs.append(rows[begin:end])
        begin = end
    return runs


def tour(rows):
    """The order of a round: nearest neighbour from the south-west corner, crossings untied."""
    left = sorted(rows, key=lambda r: (r["at"][0] + r["at"][1], r["number"]))
    path = [left.pop(0)]
    while left:
        here = path[-1]["at"]
        best = min(range(len(left)), key=lambda i: (metres(here, left[i]["at"]), left[i]["number"]))
        path.append(left.pop(best))
    better = True
    while better:
        better = False
        for i in range(1, len(path) - 1):
            for j in range(i + 1, len(path)):
                a, b, c = path[i - 1]["at"], path[i]["at"], path[j]["at"]
                gain = metres(a, b) - metres(a, c)
                if j + 1 < len(path):
                    d = path[j + 1]["at"]
                    gain += metres(c, d) - metres(b, d)
                if gain > 0.01:
                    path[i:j + 1] = path[i:j + 1][::-1]
                    better = True
    return path


def building_sizes(book, doors):
    """Sizes of 8 to 12 doors that add up; which building is bigger is picked."""
    sizes = [len(run) for run in cut(range(doors), 5)]
    for step in range(4):
        a, b = pick(book, step, "from") % 5, pick(book, step, "to") % 5
        if a != b and sizes[a] > 8 and sizes[b] < 12:
            sizes[a] -= 1
            sizes[b] += 1
    return sizes


def name_doors(book, path, serial):
    """Estate, building, entrance, floor and room along the round; some entrances have a cabinet."""
    begin = 0
    for number, size in enumerate(building_sizes(book, len(path))):
        doors = path[begin:begin + size]
        begin += size
        estate = ESTATE_WORDS[serial] + ("苑" if number < 3 else "里")
        block = number + 1 if number < 3 else number - 2
        half = (size + 1) // 2
        for place, row in enumerate(doors):
            entrance, door = place // half + 1, place % half
            row["estate"] = estate
            row["building"] = "%d号楼" % block
            row["entrance"] = "%d单元" % entrance
            row["floor"] = door // 2 + 1
            row["room"] = "%d" % ((door // 2 + 1) * 100 + door % 2 + 1)
            has_cabinet = pick(book, number, entrance, "cabinet") % 10 < 3 and book != "B07"
            row["cabinet"] = "%s-%d-%d" % (book, number + 1, entrance) if has_cabinet else ""


def communities(folder):
    """The communities of each chosen street office, in the order of their codes."""
    found = {street: [] for street in STREETS}
    path = os.path.join(folder, "divisions-shijiazhuang", "communities.csv")
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["district"] == DISTRICT and row["street"] in found:
                found[row["street"]].append(row["community"].replace("居民委员会", ""))
    return found


def load(folder):
    """-> (premises in the order of books and rounds, books, frame)."""
    source = read_geojson(folder, "premises.geojson")
    frame = Frame([f["geometry"]["coordinates"] for f in source])
    rows = [{"number": "SJZ01-%04d" % (f["id"] + 1),
             "account": "1302%06d" % (f["id"] + 1),
             "at": frame.move(f["geometry"]["coordinates"]),
             "annual_l": int(f["properties"]["annual_gas_m3"]) * 1000} for f in source]
    rows.sort(key=lambda r: (r["at"], r["number"]))
    named = communities(folder)
    ordered, books = [], []
    for strip, street in zip(cut(rows, STRIPS), STREETS):
        strip.sort(key=lambda r: (r["at"][1], r["number"]))
        for quarter, group in enumerate(cut(strip, BOOKS_A_STRIP)):
            number = "B%02d" % (len(books) + 1)
            path = tour(group)
            name_doors(number, path, len(books))
            community = named[street][quarter]
            for row in path:
                row.update(district=DISTRICT, street_office=street, community=community,
                           book=number)
            books.append({"number": number, "name": "%s%s" % (street, community),
                          "assignee": "W%02d" % (len(books) + 1),
                          "difficulty_e2": 100 + 5 * (pick(number, "difficulty") % 9)})
            ordered.extend(path)
    quality(ordered)
    return ordered, books, frame


def quality(rows):
    """How well each position is known: 1 in 10 surveyed, 2 learned, the others imported."""
    for row in rows:
        draw = pick(row["number"], "quality") % 10
        if draw == 0:
            row["position_quality"], row["accuracy_m"] = "surveyed", 2
        elif draw < 3:
            row["position_quality"], row["accuracy_m"] = "learned", 8 + pick(row["number"], "m") % 8
        else:
            row["position_quality"], row["accuracy_m"] = "imported", 30


def pipes(folder, frame):
    """The pipes as features of the station's asset file."""
    features = []
    for f in read_geojson(folder, "pipes.geojson"):
        p = f["properties"]
        attributes = {"name": p["name"], "use": p["kind"], "from": p["from"], "to": p["to"],
                      "length_mm": round(p["length_m"] * 1000),
                      "inner_mm_e1": round(p["inner_diameter_mm"] * 10)}
        for key in ("material", "sdr", "outer_diameter_mm"):
            if p.get(key) is not None:
                attributes[key] = p[key]
        features.append({"type": "Feature",
                         "properties": {"number": "SJZ01-P%04d" % (f["id"] + 1), "kind": "pipe",
                                        "attributes": json.dumps(attributes, ensure_ascii=False,
                                                                 separators=(",", ":"))},
                         "geometry": {"type": "LineString", "coordinates":
                                      [list(frame.move(c)) for c in f["geometry"]["coordinates"]]}})
    return features
