/* Which of a slot's readings is billed.
 *
 * The one idea: grades from the station's precedence table decide, then the later claimed instant,
 * then the greater op id; never the order of arrival. So every replica chooses alike. */
#ifndef DS_SCHEMA_RULES_CHOOSE_H
#define DS_SCHEMA_RULES_CHOOSE_H

#include "schema/geo/geo.h"
#include "schema/record.h"

#define DS_CANDIDATES_MAX 255 /* As slot.candidates. More: the caller keeps them out. */
#define DS_CHOOSE_NONE SIZE_MAX

/* What the same worker read just before, at another meter: evidence of pace and copying. */
struct ds_reader_before {
    struct ds_id meter;
    int64_t instant_ms;
    bool has_index;
    int64_t index;
    bool has_position;
    struct ds_geo position;
    int64_t accuracy_m;
    uint64_t cabinet;     /* ds_cabinet_key(), 0: none. */
    struct ds_hash photo; /* All zero: none. */
};

/* One reading of the slot, as the rules need it. A supervisor's correction is a candidate too, with
 * decided = true and the decision's id as op. */
struct ds_candidate {
    struct ds_id op;
    struct ds_id worker;
    struct ds_hash photo; /* All zero: none. */
    int64_t order;        /* Journal number; INT64_MAX while unsent. Only after_billing asks. */
    int64_t instant_ms;   /* Claimed. */
    bool has_interval;    /* The server's, from the evidence; not yet known at capture. */
    int64_t earliest_ms;
    int64_t latest_ms;
    bool has_index;
    int64_t index;
    bool has_volume; /* A decision agreed on a volume, where the index cannot tell it. */
    int64_t volume_l;
    bool decided;
    enum ds_method method;                   /* Not 0. */
    enum ds_purpose purpose;                 /* 0 counts as regular. */
    enum ds_condition condition;             /* 0 counts as normal. */
    enum ds_estimate_method estimate_method; /* 0: not named. */
    bool has_position;
    bool mock;
    struct ds_geo position;
    int64_t accuracy_m;
    bool has_card; /* purchased_l and remaining_l are both known. */
    int64_t purchased_l;
    int64_t remaining_l;
    const struct ds_reader_before *before; /* Borrowed; NULL: none known. */
};

/* What a reading is worth as evidence. */
enum ds_grade {
    DS_GRADE_decision,
    DS_GRADE_on_site_photo,
    DS_GRADE_on_site,
    DS_GRADE_remote,
    DS_GRADE_card,
    DS_GRADE_self_report,
    DS_GRADE_phone,
    DS_GRADE_estimate,
    DS_GRADE_COUNT
};
/* Rank per grade; the lower one wins; equal ranks leave it to the instant. */
struct ds_precedence {
    uint8_t rank[DS_GRADE_COUNT];
};
/* Shipped: the order of enum ds_grade, which is the domain's. Phone, which the domain does not
 * place, stands behind self_report (that one comes with slip code, photo and window; this one is
 * the customer's word alone) and before estimate (it is a number someone read). */
const struct ds_precedence *ds_precedence_default(void);

enum ds_grade ds_candidate_grade(const struct ds_candidate *candidate);
bool ds_candidate_competes(const struct ds_candidate *candidate); /* Purpose regular. */
bool ds_method_is_actual(enum ds_method method);                  /* Anything but an estimate. */
/* <0: a goes before b. A total order but for equal op ids; an index beats none. */
int ds_candidate_compare(const struct ds_candidate *a, const struct ds_candidate *b,
                         const struct ds_precedence *precedence);
/* Place of the billing choice among the regular ones; DS_CHOOSE_NONE if none competes. */
size_t ds_choose(const struct ds_candidate *candidates, size_t count,
                 const struct ds_precedence *precedence);

/* A cabinet's name as a number: FNV-1a 64 of its bytes; never 0 unless the name is empty. */
uint64_t ds_cabinet_key(struct ds_slice cabinet);

#endif
