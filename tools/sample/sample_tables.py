"""The small tables of the sample station: itself, its people, tariffs and codes.

Tariffs are facts from the source; where the source leaves something open, the name or the body of
the row says so. Codes are the trade's usual words."""
import json
import os

from sample_meter import person

OFFICE = (("W21", "supervisor", "主管"), ("W22", "clerk", "内勤"), ("W23", "dispatcher", "调度"),
          ("W24", "admin", "管理员"), ("W25", "auditor", "审计"))
CODES = (
    ("reading_reason", "R01", "已复核，读数无误", "dial checked again"),
    ("reading_reason", "R02", "用气量确有变化", "use has really changed"),
    ("reading_reason", "R03", "空置", "vacant"),
    ("reading_reason", "R04", "表停走", "the dial stands still"),
    ("reading_reason", "R05", "表倒走", "the dial runs backwards"),
    ("reading_reason", "R06", "上期估抄偏高", "last estimate was too high"),
    ("reading_reason", "R07", "字轮过零", "the dial has passed zero"),
    ("reading_reason", "R09", "其他", "other"),
    ("swap_reason", "S01", "到期更换", "expired"),
    ("swap_reason", "S02", "故障", "faulty"),
    ("swap_reason", "S03", "用户申请", "asked for by the customer"),
    ("swap_reason", "S09", "其他", "other"),
    ("no_access_note", "N01", "敲门无人应答", "nobody answers"),
    ("no_access_note", "N02", "电话预约改期", "put off by phone"),
    ("no_access_note", "N03", "长期无人居住", "nobody lives there"),
    ("no_access_note", "N04", "拒绝入户", "refused"),
    ("no_access_note", "N05", "有犬", "dog"),
    ("decision_reason", "D01", "照片核实", "checked by photo"),
    ("decision_reason", "D02", "电话核实", "checked by phone"),
    ("decision_reason", "D03", "录入错误", "typing error"),
    ("decision_reason", "D04", "需现场复核", "must be read again"),
    ("decision_reason", "D05", "表具故障", "faulty meter"),
    ("meter_place", "P01", "厨房", "kitchen"),
    ("meter_place", "P02", "阳台", "balcony"),
    ("meter_place", "P03", "楼道表箱", "cabinet in the stairwell"),
    ("meter_place", "P04", "卫生间", "bathroom"),
    ("remote_status", "00", "正常", "normal"),
    ("remote_status", "04", "电池欠压", "battery low"),
)


def tiers(bounds_m3, prices):
    """Bounds in litres, prices in 1e-4 yuan; the bound belongs to the lower tier."""
    return [{"upto_l": None if b is None else b * 1000, "price_e4": round(p * 10000)}
            for b, p in zip(bounds_m3, prices)]


def tariff(number, name, day, cycle, source, **body):
    table = dict(body, cycle=cycle, source=source["id"], confidence=source["confidence"].split()[0]
                 .strip(":").lower())
    first = table.get("tiers") or table.get("seasons", [{}])[0].get("tiers")
    price = table["flat_e4"] if "flat_e4" in table else first[0]["price_e4"]
    return {"number": number, "name": name, "from_day": day, "price_e4": price,
            "body": json.dumps(table, ensure_ascii=False, separators=(",", ":"))}


def tariffs(folder):
    with open(os.path.join(folder, "tariffs-cn", "tariffs.json"), encoding="utf-8") as file:
        source = {t["id"]: t for t in json.load(file)}
    tiered = []
    for record in ("SJZ-2023", "BJ-2018"):
        rows = source[record]["tiers"]
        tiered.append(([t["upto_incl"] for t in rows], [t["price"] for t in rows]))
    sz, lf = source["SZ-2021"], source["LF-2023"]
    seasons = [{"months": s["months"], "tiers": tiers(s["bounds"], sz["prices"])}
               for s in sz["seasons"]]
    lf_prices = [round(lf["base_price"] * 10000 * r) / 10000 for r in lf["ratios"]]
    return [
        tariff("SJZ-RES-2023", "石家庄居民阶梯（演示，待核实）", "2023-01-01", "year",
               source["SJZ-2023"], cycle_start="01-01", day_is_assumed=True,
               tiers=tiers(*tiered[0])),
        tariff("DEMO-NONRES-2021", "非居民单一价（演示，数值取自深圳）", "2021-10-28", "month", sz,
               flat_e4=round(sz["other_classes"]["commercial and industrial"] * 10000)),
        tariff("BJ-RES-2018", "北京居民阶梯", "2018-07-10", "year", source["BJ-2018"],
               cycle_start="01-01", tiers=tiers(*tiered[1])),
        tariff("LF-RES-2023", "廊坊居民阶梯（11月起算）", "2023-12-01", "year", lf,
               cycle_start="11-01", day_is_assumed=True,
               tiers=tiers(lf["tiers_general"], lf_prices)),
        tariff("SZ-RES-2021", "深圳居民阶梯（按月、分季）", "2021-10-28", "month", sz,
               seasons=seasons),
    ]


def write(out, folder):
    out.table("station.csv", ("number", "name", "offset_min", "billing_authority", "sample",
                              "company", "branch"),
              [{"number": "SJZ01", "name": "长安站（示例）", "offset_min": 480,
                "billing_authority": "central", "sample": 1, "company": "示例燃气公司",
                "branch": "石家庄示例分公司"}])
    people = [("W%02d" % n, "reader", "抄表%s组" % "一二三四"[(n - 1) // 5]) for n in range(1, 21)]
    out.table("worker.csv", ("number", "name", "team", "active", "role"),
              [{"number": number, "name": person("worker", number), "team": team, "active": 1,
                "role": role} for number, role, team in people + list(OFFICE)])
    rows = tariffs(folder)
    out.table("tariff.csv", ("number", "name", "from_day", "price_e4", "body"), rows)
    out.table("code.csv", ("list", "number", "text_zh", "text_en", "active"),
              [dict(zip(("list", "number", "text_zh", "text_en"), code), active=1)
               for code in CODES])
