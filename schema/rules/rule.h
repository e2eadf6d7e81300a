/* What a rule is: its severity, its limits, and what it found.
 *
 * The one idea: limits are a table of the station with a shipped example (rules.def), never
 * constants of the code that judges. A finding is small and holds numbers; its text is made only
 * when it is stored or shown. Nothing here looks at a reading. Pure, no allocation. */
#ifndef DS_SCHEMA_RULES_RULE_H
#define DS_SCHEMA_RULES_RULE_H

#include "schema/record.h"

#define DS_FINDINGS_MAX (DS_RULE_COUNT - 1) /* Each rule at most once. */
#define DS_FINDING_INPUTS_MAX 6
/* Room for the text of any finding's inputs, its NUL included; less than anomaly.inputs (400). */
#define DS_FINDING_TEXT_SIZE 320
#define DS_RISK_FEN_MAX INT64_C(1000000000000) /* As anomaly.risk_fen. */

/* What capture asks for when a rule hits: nothing; a reason; a (new) photo; or the number a second
 * time, blind, and if it stands, a reason or a photo. */
enum ds_ask { DS_ASK_NOTHING, DS_ASK_REASON, DS_ASK_PHOTO, DS_ASK_BLIND };

enum ds_limit_unit {
    DS_LIMIT_NONE,
    DS_LIMIT_LITRE,
    DS_LIMIT_FEN,
    DS_LIMIT_PERCENT,
    DS_LIMIT_METRE,
    DS_LIMIT_METRE_PER_SECOND,
    DS_LIMIT_SECOND,
    DS_LIMIT_MINUTE,
    DS_LIMIT_DAY,
    DS_LIMIT_COUNT
};
const char *ds_limit_unit_name(enum ds_limit_unit unit); /* "L", "fen", "%", "m/s", ...; static */

struct ds_limit {
    int64_t value; /* Shipped. */
    int64_t least; /* least == most: the rule has no such limit. */
    int64_t most;
    enum ds_limit_unit unit;
    const char *meaning;
};

/* A rule as shipped; static data. */
struct ds_rule_def {
    enum ds_rule rule;
    uint16_t version;
    uint16_t since;            /* Engine version that knows it. */
    enum ds_severity severity; /* In its grave, or only, form. */
    enum ds_severity mild;     /* Below the rule's threshold. */
    enum ds_ask ask;
    struct ds_limit limit[2];
    const char *name; /* As in enum ds_rule. */
    const char *needs;
    const char *formula;
    const char *source;
};
/* NULL for a number that is no rule. */
const struct ds_rule_def *ds_rule_def(int64_t rule);
const char *ds_rule_term(enum ds_rule rule); /* 中文, static. */

/* One rule at one station. */
struct ds_rule_limits {
    enum ds_severity severity;
    bool enabled;
    int64_t limit_1;
    int64_t limit_2;
};

/* Everything that a station may set about the rules. The shared limits have no record of their own
 * yet: every station has the shipped ones. */
struct ds_rule_table {
    struct ds_rule_limits rule[DS_RULE_COUNT]; /* By enum ds_rule; 0 unused. */
    int64_t price_e4;      /* Where no tariff is known: 30000 (3 yuan per m3). */
    int64_t floor_l;       /* The spread of a season is at least this: 3000 L ... */
    int64_t floor_percent; /* ... and at least this share of its median: 10 %. */
    int32_t season_months; /* Months either side of the same month of other years: 1. */
    int32_t season_least;  /* Fewer seasonal volumes than this are no season: 3. */
};

/* Shipped; static. Copy it, then apply the station's settings. */
const struct ds_rule_table *ds_rule_defaults(void);
/* Overlay one rule_setting record; fields that are absent or cleared keep what the table has,
 * limits outside their range are clamped into it, an unknown rule changes nothing. */
void ds_rule_table_apply(struct ds_rule_table *table, const struct ds_rule_setting *setting);
/* Switch off the rules that this engine version does not know. */
void ds_rule_table_limit(struct ds_rule_table *table, uint64_t version);
/* For the edges, before such a record is made: DS_ERR_SCHEMA names the limit and its range. */
DS_NODISCARD enum ds_err ds_rule_setting_check(const struct ds_rule_setting *setting,
                                               struct ds_detail *detail);

/* The graver of two; 0 (none) is the least. */
enum ds_severity ds_severity_max(enum ds_severity a, enum ds_severity b);

/* Why a rule hit: X(name, English, Chinese). Numbers are not stored, names are. */
/* clang-format off */
#define DS_WHY_TABLE(X)                                                                            \
    X(below_previous, "the index is below the one billed before", "读数小于上期")                  \
    X(swap_below_previous, "a dial of the swap stands below its own start", "换表读数小于起数")    \
    X(no_use_while_occupied, "nothing was used, though someone lives here", "有人居住却无用气")    \
    X(above_season, "far more than in the same season", "远高于同期")                              \
    X(above_recent, "far more than in the last periods", "远高于近期")                             \
    X(above_yearly, "far more than the yearly use gives", "远高于年用量折算")                      \
    X(below_season, "far less than in the same season", "远低于同期")                              \
    X(below_recent, "far less than in the last periods", "远低于近期")                             \
    X(below_yearly, "far less than the yearly use gives", "远低于年用量折算")                      \
    X(dial_passed_zero, "the dial has passed zero", "表盘过零")                                    \
    X(dial_stands_still, "the dial stood still for several periods", "连续多期不走")               \
    X(estimates_in_a_row, "estimated several periods in a row", "连续多期估抄")                    \
    X(dropped_by_half, "a commercial user fell to half or less", "商业用户用量减半")               \
    X(too_far, "read too far from the premises", "抄表位置离用气点过远")                           \
    X(mock_position, "the position was not measured but made up", "虚拟定位")                      \
    X(too_soon, "two meters in less time than it takes", "两表间隔过短")                           \
    X(too_fast, "faster between two meters than one can go", "两表之间移动过快")                   \
    X(index_as_before, "the same number as at the meter before", "与前一表读数相同")               \
    X(photo_as_last_period, "the photo of an earlier period", "与往期照片相同")                    \
    X(photo_as_before, "the photo of the meter before", "与前一表照片相同")                        \
    X(photo_of_another, "the photo of another worker", "与他人照片相同")                           \
    X(dial_and_account_differ, "dial and purchases do not agree", "表盘与购气量不符")              \
    X(interval_wide, "the time of the reading is not certain", "抄表时间不确定")                   \
    X(claimed_outside, "the claimed time cannot be", "所报时间不可能")                             \
    X(period_uncertain, "the period of the reading is not certain", "抄表时间跨账期")              \
    X(estimated_too_much, "more was estimated than the dial shows", "估抄高于实际")                \
    X(two_readings_differ, "two readings on site differ", "两次现场读数不一致")                    \
    X(index_too_long, "more digits than the dial has", "读数超过表盘位数")                         \
    X(swap_index_too_long, "a swap index has more digits than its dial", "换表读数超过表盘位数")   \
    X(volume_too_large, "no meter measures such a volume", "用量超出计量范围")                     \
    X(meter_expired, "the meter is past its expiry", "表具超期")                                   \
    X(read_after_billing, "a reading came after the slot was billed", "计费后又有读数")            \
    X(estimate_forbidden, "opening, final and swap are never estimated", "开户销户换表不得估抄")   \
    X(too_many_estimates, "more estimates in a row than allowed", "连续估抄超过上限")              \
    X(no_proven_visit, "estimated without a proven visit", "无到访凭据的估抄")                     \
    X(estimate_unnamed, "estimated by no named method", "估抄未注明方法")                          \
    X(own_reading_due, "our own reading is due", "应上门实抄")                                     \
    X(first_period, "the first reading of this meter", "首期无上期读数")                           \
    X(nothing_billed_before, "no index was billed before", "往期均无读数")                         \
    X(meter_condition, "the meter's condition was reported", "上报表况异常")                       \
    X(dial_unreadable, "the dial could not be read well", "表盘未能看清")
/* clang-format on */
enum ds_why {
    DS_WHY_none,
#define X(name, english, chinese) DS_WHY_##name,
    DS_WHY_TABLE(X)
#undef X
        DS_WHY_COUNT
};
const char *ds_why_name(enum ds_why why); /* Static; NULL if there is none. */
const char *ds_why_text(enum ds_why why); /* English, static. */
const char *ds_why_term(enum ds_why why); /* 中文, static. */

struct ds_finding_input {
    const char *name; /* Static. */
    int64_t value;
};

struct ds_finding {
    enum ds_rule rule;
    enum ds_severity severity;
    enum ds_why why;
    uint16_t version; /* Of the rule. */
    uint16_t input_count;
    int64_t risk_fen; /* 0..DS_RISK_FEN_MAX */
    struct ds_id op;  /* The reading that raised it; none if the slot as a whole did. */
    struct ds_finding_input input[DS_FINDING_INPUTS_MAX];
};

/* What the rule saw, as stored in anomaly.inputs: "why=above_season;index=..;previous=..". ASCII,
 * at most DS_FINDING_TEXT_SIZE - 1 bytes. */
void ds_finding_put_inputs(const struct ds_finding *finding, struct ds_builder *builder);
/* What capture must ask for before it takes the number. */
enum ds_ask ds_finding_asks(const struct ds_finding *finding);
/* True if it must ask the number a second time, blind, or want a reason or a photo. */
bool ds_finding_asks_again(const struct ds_finding *finding);

/* Price of a volume, rounded down: litres x 1e-4 yuan per m3. Negative volumes count as positive;
 * at most DS_RISK_FEN_MAX. */
int64_t ds_risk_fen(int64_t volume_l, int64_t price_e4);

#endif
