#include "schema/rules/choose.h"

#include <string.h>

static const struct ds_precedence shipped = {.rank = {
                                                 [DS_GRADE_decision] = 1,
                                                 [DS_GRADE_on_site_photo] = 2,
                                                 [DS_GRADE_on_site] = 3,
                                                 [DS_GRADE_remote] = 4,
                                                 [DS_GRADE_card] = 5,
                                                 [DS_GRADE_self_report] = 6,
                                                 [DS_GRADE_phone] = 7,
                                                 [DS_GRADE_estimate] = 8,
                                             }};

const struct ds_precedence *ds_precedence_default(void)
{
    return &shipped;
}

enum ds_grade ds_candidate_grade(const struct ds_candidate *candidate)
{
    if (candidate->decided) {
        return DS_GRADE_decision;
    }
    switch (candidate->method) {
    case DS_METHOD_on_site:
        return ds_hash_is_none(&candidate->photo) ? DS_GRADE_on_site : DS_GRADE_on_site_photo;
    case DS_METHOD_remote:
        return DS_GRADE_remote;
    case DS_METHOD_card:
        return DS_GRADE_card;
    case DS_METHOD_self_report:
        return DS_GRADE_self_report;
    case DS_METHOD_phone:
        return DS_GRADE_phone;
    case DS_METHOD_estimate:
        return DS_GRADE_estimate;
    }
    /* A method of a newer version than this one proves nothing yet. */
    return DS_GRADE_estimate;
}

bool ds_candidate_competes(const struct ds_candidate *candidate)
{
    return candidate->purpose == 0 || candidate->purpose == DS_PURPOSE_regular;
}

bool ds_method_is_actual(enum ds_method method)
{
    return method != DS_METHOD_estimate;
}

int ds_candidate_compare(const struct ds_candidate *a, const struct ds_candidate *b,
                         const struct ds_precedence *precedence)
{
    bool a_tells = a->has_index || a->has_volume;
    bool b_tells = b->has_index || b->has_volume;
    if (a_tells != b_tells) {
        return a_tells ? -1 : 1;
    }
    int a_rank = precedence->rank[ds_candidate_grade(a)];
    int b_rank = precedence->rank[ds_candidate_grade(b)];
    if (a_rank != b_rank) {
        return a_rank < b_rank ? -1 : 1;
    }
    if (a->instant_ms != b->instant_ms) {
        return a->instant_ms > b->instant_ms ? -1 : 1;
    }
    return memcmp(b->op.byte, a->op.byte, sizeof a->op.byte);
}

size_t ds_choose(const struct ds_candidate *candidates, size_t count,
                 const struct ds_precedence *precedence)
{
    size_t best = DS_CHOOSE_NONE;
    for (size_t i = 0; i < count; i++) {
        if (!ds_candidate_competes(&candidates[i])) {
            continue;
        }
        if (best == DS_CHOOSE_NONE ||
            ds_candidate_compare(&candidates[i], &candidates[best], precedence) < 0) {
            best = i;
        }
    }
    return best;
}

uint64_t ds_cabinet_key(struct ds_slice cabinet)
{
    if (cabinet.size == 0) {
        return 0;
    }
    uint64_t key = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < cabinet.size; i++) {
        key = (key ^ cabinet.data[i]) * UINT64_C(1099511628211);
    }
    return key == 0 ? 1 : key;
}
