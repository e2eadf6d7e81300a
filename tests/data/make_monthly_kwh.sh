#!/usr/bin/env bash
# Makes monthly_kwh.csv from a weekly file (header: meter,<156 week starts>; see ATTRIBUTION.md):
# each week's value is spread evenly over its days and summed by month, rounded to the whole kWh.
# The last month has 27 of its 31 days and is scaled up.
# Usage: make_monthly_kwh.sh weekly_consumption_kwh.csv >monthly_kwh.csv
set -eu
awk -F, '
BEGIN {
    split("31 28 31 30 31 30 31 31 30 31 30 31", days, " ")
    for (year = 2012; year <= 2014; year++) for (month = 1; month <= 12; month++) {
        size = days[month] + (month == 2 && year == 2012)
        for (day = 0; day < size; day++) of[total++] = (year - 2012) * 12 + month
        name[(year - 2012) * 12 + month] = year * 100 + month
    }
}
NR == 1 {
    if (NF != 157 || $2 != "2012-01-01") { print "not the weekly file" >"/dev/stderr"; exit 1 }
    line = "meter"
    for (m = 1; m <= 36; m++) line = line "," name[m]
    print line
    next
}
{
    split("", sum)
    for (w = 2; w <= 157; w++) for (d = 0; d < 7; d++) sum[of[(w - 2) * 7 + d]] += $w / 7
    sum[36] *= 31 / 27
    line = $1
    for (m = 1; m <= 36; m++) line = line "," int(sum[m] + 0.5)
    print line
}' "$1"
