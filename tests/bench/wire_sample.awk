# Makes a book of as many meters as wanted from the sample's 1,075: copies with numbers, names,
# places and noise of their own, so that no copy is the echo of another.
#
# usage: awk -v meters=N -v periods=P -v into=DIR -v sample=tools/sample -f wire_sample.awk
# Writes worker, book, tariff-free account, premises, meter and history files and plan.csv.

function digits(count,    text) { text = ""; while (count-- > 0) text = text int(rand() * 10); return text }
function noise(size) { return (rand() + rand() + rand() + rand() - 2) * size }

# The sample's lines after the first, split, into[row, column] by name; columns may be quoted never.
function load(file, into,    line, row, names, parts, n, i) {
    row = -1
    while ((getline line < (sample "/" file)) > 0) {
        if (++row == 0) { split(line, names, ","); continue }
        n = split(line, parts, ",")
        for (i = 1; i <= n; i++) into[row, names[i]] = parts[i]
    }
    close(sample "/" file)
    return row
}
# Of one feature per line: the value behind a key.
function after(line, key,    at) {
    at = index(line, "\"" key "\":")
    if (at == 0) return ""
    line = substr(line, at + length(key) + 3)
    if (substr(line, 1, 1) == "\"") { line = substr(line, 2); return substr(line, 1, index(line, "\"") - 1) }
    match(line, /^[-0-9.]+/)
    return substr(line, 1, RLENGTH)
}
function load_places(    line, n, number, at) {
    while ((getline line < (sample "/premises.geojson")) > 0) {
        number = after(line, "number")
        if (number == "") continue
        place[number] = line
        at = substr(line, index(line, "\"coordinates\":[") + 15)
        split(at, n, /[],]/)
        lon[number] = n[1]
        lat[number] = n[2]
    }
}

BEGIN {
    srand(20260130)
    meter_rows = load("meter.csv", meter)
    account_rows = load("account.csv", account)
    history_rows = load("history.csv", history)
    truth_rows = load("truth.csv", truth)
    for (i = 1; i <= account_rows; i++) account_at[account[i, "number"]] = i
    for (i = 1; i <= history_rows; i++) history_at[history[i, "meter_no"]] = i
    load_places()
    for (i = 1; i <= periods; i++) {
        month = 36 - periods + i
        period[i] = sprintf("i%04d%02d", 2023 + int((month - 1) / 12), (month - 1) % 12 + 1)
    }
    print "number,name,team,active,role\nW01,冯文云,抄表一组,1,reader" > (into "/worker.csv")
    print "number,name,cycle_months,difficulty_e2,assignee\nB01,建北街道棉一东社区,1,125,W01" > (into "/book.csv")
    print "number,name,phone,class,persons,tariff,balance_fen,state" > (into "/account.csv")
    print "number,account,district,street_office,community,estate,building,entrance,floor,room," \
        "lat_e7,lon_e7,position_quality,accuracy_m" > (into "/premises.csv")
    print "manufacturer,meter_no,kind,premises,account,book,walk_order,dial_digits,unit_l,place," \
        "installed_day,expiry_day,yearly_l,cabinet,state" > (into "/meter.csv")
    printf "manufacturer,meter_no" > (into "/history.csv")
    for (i = 1; i <= periods; i++) printf ",%s", period[i] > (into "/history.csv")
    print "" > (into "/history.csv")
    for (copy = 0; made < meters; copy++)
        for (row = 1; row <= meter_rows && made < meters; row++) one(copy, row)
    plan()
}

function one(copy, row,    no, p, a, h, i, shift, last, used, line) {
    no = meter[row, "meter_no"]
    if (copy > 0) no = sprintf("%08d", (no + copy * 7654321) % 100000000)
    if (no in taken) return
    taken[no] = 1
    made++
    p = meter[row, "premises"]
    a = meter[row, "account"]
    line = place[p]
    if (!((copy, a) in account_done)) {
        account_done[copy, a] = 1
        i = account_at[a]
        h = int(rand() * account_rows) + 1
        printf "%s,%s,%s,%s,%s,,%s,%s\n", a + copy * 10000,
            copy == 0 ? account[i, "name"] : account[h, "name"],
            copy == 0 ? account[i, "phone"] : "1000" digits(7), account[i, "class"],
            account[i, "persons"], account[i, "balance_fen"], account[i, "state"] > (into "/account.csv")
    }
    if (!((copy, p) in place_done)) {
        place_done[copy, p] = 1
        printf "%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%d,%d,%s,%s\n", numbered(p, copy),
            after(line, "account") + copy * 10000, after(line, "district"),
            after(line, "street_office"), after(line, "community"), after(line, "estate"),
            after(line, "building"), after(line, "entrance"), after(line, "floor"),
            after(line, "room"), lat[p] * 1e7 + copy * 20011 + noise(copy > 0 ? 400 : 0),
            lon[p] * 1e7 + noise(copy > 0 ? 400 : 0), after(line, "position_quality"),
            after(line, "accuracy_m") > (into "/premises.csv")
    }
    printf "%s,%s,%s,%s,%s,B01,%d,%s,%s,%s,%s,%s,%s,%s,%s\n", meter[row, "manufacturer"], no,
        meter[row, "kind"], numbered(p, copy), a + copy * 10000, made, meter[row, "dial_digits"],
        meter[row, "unit_l"], meter[row, "place"], meter[row, "installed_day"],
        meter[row, "expiry_day"], meter[row, "yearly_l"], meter[row, "cabinet"],
        meter[row, "state"] > (into "/meter.csv")
    h = history_at[meter[row, "meter_no"]]
    if (h == "") return
    printf "%s,%s", meter[row, "manufacturer"], no > (into "/history.csv")
    shift = copy > 0 ? int(rand() * 2000) : 0
    for (i = 1; i <= periods; i++) {
        last = history[h, period[i]]
        used = i > 1 && history[h, period[i - 1]] ~ /^[0-9]+$/ ? last - history[h, period[i - 1]] : 0
        if (copy > 0 && last ~ /^[0-9]+$/) last = last + shift + int(noise(used / 4))
        printf ",%s", last > (into "/history.csv")
    }
    print "" > (into "/history.csv")
}
function numbered(number, copy) { return sprintf("SJZ%02d-%s", copy + 1, substr(number, 7)) }

# Real indexes of the open period in walking order, with the real pauses between them.
function plan(    i, at, before, parts, gap) {
    for (i = 1; i <= truth_rows; i++) {
        if (truth[i, "act"] != "read" || truth[i, "index"] == "" || truth[i, "method"] != "on_site") continue
        split(substr(truth[i, "instant"], 12, 8), parts, ":")
        at = parts[1] * 3600 + parts[2] * 60 + parts[3]
        gap = at - before
        if (gap < 5 || gap > 3600) gap = 90
        before = at
        printf "%s,%s,%d\n", truth[i, "meter_no"], truth[i, "index"], gap > (into "/plan.csv")
    }
}
