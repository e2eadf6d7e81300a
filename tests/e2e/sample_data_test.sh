#!/bin/sh
# The sample station's files agree with each other: counts, references, rising indexes, and every
# fault listed in injected.csv is really there. Then the check itself is checked: a changed copy
# must be refused for each of its reasons.
# Usage: sample_data_test.sh (from anywhere; needs awk and nothing that was built)
set -eu
cd "$(dirname "$0")/../.."
enums=$PWD/schema/records/enums.def
LC_ALL=C
export LC_ALL

# rows FILE: data rows of a table.
rows() {
    awk 'END { print NR - 1 }' "$1"
}

# equal NAME EXPECTED FOUND
equal() {
    if [ "$2" != "$3" ]; then
        echo "$1: expected $2, found $3"
        return 1
    fi
}

counts__are_those_of_the_grid() {
    bad=0
    equal 'premises' 1063 "$(grep -c '"type":"Point"' premises.geojson)" || bad=1
    equal 'pipes' 1792 "$(grep -c '"type":"LineString"' asset.geojson)" || bad=1
    equal 'accounts' 1063 "$(rows account.csv)" || bad=1
    equal 'meters' 1075 "$(rows meter.csv)" || bad=1
    equal 'histories' 1075 "$(rows history.csv)" || bad=1
    equal 'books' 20 "$(rows book.csv)" || bad=1
    equal 'readers' 20 "$(grep -c ',reader$' worker.csv)" || bad=1
    equal 'workers' 25 "$(rows worker.csv)" || bad=1
    return $bad
}

files__are_small_and_utf8_with_lf() {
    kib=$(du -sk --apparent-size . | cut -f 1)
    [ "$kib" -lt 3072 ] || { echo "$kib KiB"; return 1; }
    bad=0
    for file in *.csv *.geojson day.ini; do
        iconv -f UTF-8 -t UTF-8 "$file" >/dev/null 2>&1 || { echo "$file: not UTF-8"; bad=1; }
        ! grep -q "$(printf '\r')" "$file" || { echo "$file: CR"; bad=1; }
    done
    return $bad
}

# The members of a one-line feature by name, as awk functions.
features='
function text(name, at) {
    at = index($0, "\"" name "\":\"")
    if (!at) return ""
    rest = substr($0, at + length(name) + 4)
    return substr(rest, 1, index(rest, "\"") - 1)
}
function fail(what) { print FILENAME ": line " FNR ": " what; bad = 1 }'

premises__have_doors_and_lie_at_shijiazhuang() {
    awk "$features"'
    /"Point"/ {
        number = text("number")
        if (seen[number]++) fail("number twice: " number)
        door = text("estate") "/" text("building") "/" text("entrance") "/" text("room")
        if (doors[door]++) fail("door twice: " door)
        house[text("estate") "/" text("building")]++
        match($0, /"coordinates":\[[0-9.,]*/)
        split(substr($0, RSTART + 15, RLENGTH - 15), at, ",")
        if (at[1] < 114.49 || at[1] > 114.53 || at[2] < 38.03 || at[2] > 38.05)
            fail("position " at[1] " " at[2])
    }
    END {
        for (name in house)
            if (house[name] < 8 || house[name] > 12) {
                print name ": " house[name] " doors"; bad = 1
            }
        exit bad
    }' premises.geojson
}

people__cannot_be_called() {
    awk -F, 'FNR > 1 && $3 !~ /^1000[0-9][0-9][0-9][0-9][0-9][0-9][0-9]$/ {
        print "account.csv: line " FNR ": phone " $3; bad = 1
    }
    END { exit bad }' account.csv
}

meters__refer_to_what_exists_and_books_are_walkable() {
    awk -F, "$features"'
    FILENAME == "premises.geojson" { if (/"Point"/) place[text("number")] = text("account"); next }
    FNR == 1 { next }
    FILENAME == "account.csv" { account[$1] = 1; next }
    FILENAME == "worker.csv" { worker[$1] = 1; next }
    FILENAME == "book.csv" { book[$1] = 1; if (!($5 in worker)) fail("assignee " $5); next }
    {
        if (key[$1 "/" $2]++) fail("meter twice: " $2)
        if (number[$2]++) equal++
        if (!($4 in place)) fail("premises " $4)
        if (place[$4] != $5 || !($5 in account)) fail("account " $5)
        if (!($6 in book)) fail("book " $6)
        if ($7 != ++walk[$6]) fail("walk_order " $7)
    }
    END {
        if (equal != 6) { print "meter.csv: " equal " equal numbers of two makers"; bad = 1 }
        for (b in book)
            if (walk[b] < 50 || walk[b] > 56) { print b ": " walk[b] " meters"; bad = 1 }
        exit bad
    }' premises.geojson account.csv worker.csv book.csv meter.csv
}

# What an index may do, by meter and period: injected.csv says where it may fall.
history__rises_except_where_injected() {
    awk -F, '
    function fail(what) { print FILENAME ": line " FNR ": " what; bad = 1 }
    FNR == 1 && FILENAME == "history.csv" {
        if (NF != 38 || $3 != "i202301" || $38 != "i202512") fail("periods")
        for (i = 3; i <= NF; i++) period[i] = substr($i, 2)
    }
    FNR == 1 { next }
    FILENAME == "injected.csv" { if ($1 == "rollover_past") may[$2 "/" $3 "/" $5] = 1; next }
    FILENAME == "meter.csv" { size[$1 "/" $2] = 10 ^ $8; next }
    {
        id = $1 "/" $2
        if (!(id in size)) fail("no such meter")
        if (NF != 38) fail(NF " cells")
        last = -1
        for (i = 3; i <= NF; i++) {
            if ($i == "") continue
            if ($i !~ /^[0-9]+e?$/) fail("cell " $i)
            value = $i + 0
            if (value >= size[id]) fail($i " does not fit the dial")
            if (value < last) {
                if (!((id "/" period[i]) in may)) fail(period[i] ": " last " then " value)
                falls++
            }
            last = value
        }
    }
    END {
        if (falls != 4) { print "history.csv: " falls + 0 " falls instead of 4"; bad = 1 }
        exit bad
    }' injected.csv meter.csv history.csv
}

truth__has_an_act_at_every_meter_in_the_order_of_time() {
    awk -F, '
    function fail(what) { print FILENAME ": line " FNR ": " what; bad = 1 }
    FNR == 1 { next }
    FILENAME == "meter.csv" { size[$1 "/" $2] = 10 ^ $8; book[$1 "/" $2] = $6 "/" $7; next }
    FILENAME == "swap.csv" { size[$1 "/" $2] = 10 ^ $10; next }
    {
        if (NF != 20) fail(NF " cells")
        id = $3 "/" $4
        if (book[id] != $1 "/" $2) fail("book " $1 " " $2)
        if ($5 !~ /^[0-9]+$/ || $5 >= size[id]) fail("index " $5)
        if ($6 !~ /^2026-01-30T[01][0-9]:[0-5][0-9]:[0-5][0-9]\+08:00$/) fail("instant " $6)
        if ($6 <= latest[$11]) fail($11 " is in two places at " $6)
        latest[$11] = $6
        if ($12 == "read" ? $7 !~ /^(on_site|estimate)$/ || $15 != "" : $7 != "" || $15 == "")
            fail("act " $12 " with method " $7 " and outcome " $15)
        acts[id]++
    }
    END {
        for (id in book) if (!acts[id]) { print "truth.csv: nothing at " id; bad = 1 }
        exit bad
    }' meter.csv swap.csv truth.csv
}

injected__names_real_meters_and_rules_and_is_true() {
    awk -F, '
    function fail(what) { print FILENAME ": line " FNR ": " $1 ": " what; bad = 1 }
    FILENAME ~ /enums.def$/ {
        if (/#define DS_ENUM_RULE\(/) inside = 1
        else if (/#define/) inside = 0
        if (inside) while (match($0, /X\([a-z_0-9]+/)) {
            rule[substr($0, RSTART + 2, RLENGTH - 2)] = 1
            $0 = substr($0, RSTART + RLENGTH)
        }
        next
    }
    FNR == 1 { next }
    FILENAME == "meter.csv" { digits[$1 "/" $2] = $8; expiry[$1 "/" $2] = $12; next }
    FILENAME == "history.csv" {
        last[$1 "/" $2] = $38; before[$1 "/" $2] = $37; first[$1 "/" $2] = $3; next
    }
    FILENAME == "truth.csv" {
        id = $3 "/" $4
        sight[id] = $13 == "" ? $5 : $13
        dial[id] = $5; by[id] = by[id] " " $11; condition[id] = $8; away[id] = $18
        acts[id] = acts[id] " " $12 ":" $7; blind[id] = $14; like[id] = $19
        if ($13 != "") typed[id] = $13
        next
    }
    FILENAME == "swap.csv" { swap[$1 "/" $2] = 1; next }
    {
        id = $2 "/" $3
        kinds[$1]++
        if (!(id in digits)) { fail("no such meter: " id); next }
        if ($7 != "none" && !($7 in rule)) fail("no such rule: " $7)
        n = last[id] + 0
        if ($1 == "reversed" && !(sight[id] < n)) fail("does not fall")
        if ($1 == "stopped" && !(sight[id] == n && n == before[id] + 0)) fail("moves")
        if ($1 ~ /^zero/ && sight[id] != n) fail("moves")
        if ($1 == "zero_vacant" && condition[id] != "vacant") fail("not vacant")
        if ($1 == "rollover" && !(sight[id] < n && digits[id] == 4)) fail("does not pass zero")
        if ($1 == "over_estimate" &&
            !(last[id] ~ /e$/ && sight[id] < n && sight[id] >= before[id] + 0)) fail("is not over")
        if ($1 == "spike" && sight[id] - n < 500) fail("no spike")
        if ($1 == "red_digits" && sight[id] < 10 ^ digits[id]) fail("fits the dial")
        if ($1 == "misread" && typed[id] == dial[id]) fail("read right")
        if ($1 == "slip_of_the_finger" && (blind[id] == "" || blind[id] == dial[id]))
            fail("no slip")
        if ($1 == "condition" && condition[id] == "normal") fail("normal")
        if ($1 == "no_access" && acts[id] !~ /visit:/) fail("no visit")
        if ($1 == "estimate_without_visit" && acts[id] != " read:estimate")
            fail("acts" acts[id])
        if ($1 == "no_history" && last[id] != "") fail("has a history")
        if ($1 == "far_away" && away[id] < 500) fail("near")
        if ($1 == "same_photo" && like[id] == "") fail("own photo")
        if ($1 == "expired" && expiry[id] >= "2026-01-30") fail("not expired")
        if ($1 == "swap" && !(id in swap)) fail("no swap")
        if ($1 == "two_readers" && by[id] !~ /W07.*W08/) fail("read by" by[id])
        if ($1 == "read_after_move" && by[id] != " W07") fail("read by" by[id])
        if ($1 == "wrong_clock" && by[id] !~ /W05|W11/) fail("read by" by[id])
    }
    END {
        count = split("rollover rollover_past reversed stopped zero zero_vacant over_estimate " \
            "spike slump commercial_drop red_digits misread slip_of_the_finger condition " \
            "no_access estimate_without_visit far_away pace same_photo equal_index no_history " \
            "expired swap two_readers read_after_move wrong_clock", wanted, " ")
        for (i = 1; i <= count; i++)
            if (!kinds[wanted[i]]) { print "injected.csv: no " wanted[i]; bad = 1 }
        exit bad
    }' "$enums" meter.csv history.csv truth.csv swap.csv injected.csv
}

scenario__says_what_the_files_hold() {
    awk -F, '
    function fail(what) { print FILENAME ": line " FNR ": " what; bad = 1 }
    function is(name, value) {
        if (expect[name] == value) return
        print "day.ini: " name "=" expect[name] ", is " value
        bad = 1
    }
    FILENAME == "day.ini" {
        if (length($0) > 190) fail("line is too long for an INI reader")
        if (/^\[/) { section = $0; if (/^\[handheld\.W[0-9][0-9]\]$/) handhelds++ }
        else if (section == "[expect]") {
            at = index($0, "=")
            expect[substr($0, 1, at - 1)] = substr($0, at + 1)
        } else if (/^(backup_at|restore_at|clock_offset_s|kind)=/) said[section "/" $0] = 1
        next
    }
    FNR == 1 { next }
    FILENAME == "swap.csv" { swaps++; next }
    FILENAME == "remote_reading.csv" { remote++; next }
    FILENAME == "injected.csv" { if ($7 != "none" && $5 == "202601") rules["rule." $7]++; next }
    { acts++; if ($12 == "read") { readings++; if (!seen[$3 "/" $4]++) slots++ } }
    END {
        if (handhelds != 20) { print "day.ini: " handhelds " handhelds"; bad = 1 }
        is("acts", acts); is("readings", readings); is("visits", acts - readings)
        is("swaps", swaps); is("remote_readings", remote); is("slots_empty", 1075 - slots)
        for (name in rules) is(name, rules[name])
        if (!(("[event.1]/kind=reassign") in said) ||
            !(("[handheld.W09]/restore_at=13:45") in said) ||
            !(("[handheld.W05]/clock_offset_s=-1769729400") in said) ||
            !(("[handheld.W11]/clock_offset_s=172800") in said)) {
            print "day.ini: a case is missing"; bad = 1
        }
        exit bad
    }' day.ini swap.csv remote_reading.csv injected.csv truth.csv
}

cases='counts__are_those_of_the_grid
files__are_small_and_utf8_with_lf
premises__have_doors_and_lie_at_shijiazhuang
people__cannot_be_called
meters__refer_to_what_exists_and_books_are_walkable
history__rises_except_where_injected
truth__has_an_act_at_every_meter_in_the_order_of_time
injected__names_real_meters_and_rules_and_is_true
scenario__says_what_the_files_hold'

failed=0
for case in $cases; do
    if (cd tools/sample && $case); then echo "ok   $case"; else
        echo "FAIL $case"
        failed=1
    fi
done

# refuses CASE FILE SED: the case fails on a copy with one change.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
refuses() {
    rm -rf "$scratch/sample"
    cp -r tools/sample "$scratch/sample"
    sed -i "$3" "$scratch/sample/$2"
    if cmp -s "tools/sample/$2" "$scratch/sample/$2"; then
        echo "FAIL $1: the change changes nothing: $3"
        failed=1
    elif (cd "$scratch/sample" && $1) >/dev/null; then
        echo "FAIL $1 is blind: $2 with $3"
        failed=1
    fi
}
counts=counts__are_those_of_the_grid
refuses $counts premises.geojson 5d
refuses $counts book.csv 3d
files=files__are_small_and_utf8_with_lf
refuses $files account.csv '7s/,/\xff,/'
refuses $files book.csv '2s/$/\r/'
premises=premises__have_doors_and_lie_at_shijiazhuang
refuses $premises premises.geojson '9s/"room":"[0-9]*"/"room":"101"/'
refuses $premises premises.geojson '9s/\[114\./[7./'
refuses $premises premises.geojson '2s/"building":"[^"]*"/"building":"9号楼"/'
refuses people__cannot_be_called account.csv '9s/,1000/,1390/'
meters=meters__refer_to_what_exists_and_books_are_walkable
refuses $meters meter.csv '9s/,SJZ01-/,SJZ02-/'
refuses $meters meter.csv '9s/,B01,/,B02,/'
refuses $meters meter.csv '9s/,2[0-9]*,/,12345678,/; 99s/,2[0-9]*,/,12345678,/'
refuses $meters book.csv '3s/,W02$/,W92/'
history=history__rises_except_where_injected
refuses $history history.csv '9s/,[0-9]*$/,17/'
refuses $history history.csv '9s/,[0-9]*$/,-1/'
truth=truth__has_an_act_at_every_meter_in_the_order_of_time
refuses $truth truth.csv 9d
refuses $truth truth.csv '9s/T0/T1/'
injected=injected__names_real_meters_and_rules_and_is_true
refuses $injected injected.csv '9s/,2[0-9]*,/,1,/'
refuses $injected injected.csv 's/,reversed,hold/,backward,hold/'
refuses $injected injected.csv 's/^rollover,/reversed_,/'
refuses $injected injected.csv '2s/^[a-z_]*,/spike,/'
scenario=scenario__says_what_the_files_hold
refuses $scenario day.ini 's/^readings=.*/readings=1/'
refuses $scenario swap.csv 2d

[ $failed = 0 ] && echo 'sample data: all good'
exit $failed
