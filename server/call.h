/* What handlers of the API do again and again: parameters, rows as JSON, writes as the user.
 *
 * Private to server/. A view is two read transactions (state, customer keys) and a place to write;
 * personal fields are opened only for roles that may see them, and who opened how many by which
 * path stands in the log. */
#ifndef DS_SERVER_CALL_H
#define DS_SERVER_CALL_H

#include "schema/codec/record_json.h"
#include "schema/codec/record_json_jansson.h"
#include "schema/codec/record_mp.h"
#include "server/api.h"
#include "sync/core/row.h"
#include "sync/core/tables.h"

/* Roles that may read the office's data, write work, see personal data. */
#define DS_ROLES_READ                                                                              \
    (DS_ROLES_OFFICE | 1 << DS_ROLE_cashier | 1 << DS_ROLE_revenue_protection |                    \
     1 << DS_ROLE_auditor)
#define DS_ROLES_PERSONAL (DS_ROLES_OFFICE | 1 << DS_ROLE_cashier)

/* ---- Parameters ---- */
/* A query parameter; DS_ERR_USAGE names it. Absent: fallback, or *given is false. */
DS_NODISCARD enum ds_err ds_call_int(struct ds_call *call, const char *name, int64_t least,
                                     int64_t most, int64_t *value); /* In: the fallback. */
DS_NODISCARD enum ds_err ds_call_text(struct ds_call *call, const char *name, char *out,
                                      size_t size, bool *given);
DS_NODISCARD enum ds_err ds_call_query_id(struct ds_call *call, const char *name, struct ds_id *id,
                                          bool *given);
/* limit=, 1..DS_API_LIMIT_MAX. */
DS_NODISCARD enum ds_err ds_call_limit(struct ds_call *call, size_t *limit);
/* after= as bytes in hex, at most size of them; *used 0 if absent. */
DS_NODISCARD enum ds_err ds_call_after(struct ds_call *call, uint8_t *bytes, size_t size,
                                       size_t *used);
/* Members of call->body; the shape was checked. Absent: NULL, 0, false, none. */
const char *ds_call_member(const struct ds_call *call, const char *name);
bool ds_call_member_int(const struct ds_call *call, const char *name, int64_t *value);
bool ds_call_member_id(const struct ds_call *call, const char *name, struct ds_id *id);
/* The number of a word; 0 if absent. */
int64_t ds_call_member_word(const struct ds_call *call, const char *name, enum ds_list list);
/* Say what is wrong: DS_ERR_SCHEMA with "what". */
DS_NODISCARD enum ds_err ds_call_wrong(struct ds_call *call, enum ds_err err, const char *what);
int64_t ds_call_now_ms(const struct ds_call *call);

/* ---- Views ---- */
struct ds_view {
    struct ds_txn *txn;
    struct ds_txn *keys; /* NULL unless personal. */
    struct ds_office *office;
    struct ds_arena *arena;
    struct ds_builder *out;
    struct ds_call *call; /* Told of what was opened; may be NULL. */
    uint8_t type;         /* Of what is being shown. */
    struct ds_id entity;
    bool by_team; /* Personal fields of the caller's teams alone are opened. */
    uint8_t clear[DS_PERSONAL_CLEAR_MAX];
};
/* personal: open personal fields. */
DS_NODISCARD enum ds_err ds_view_begin(struct ds_view *view, struct ds_office *office,
                                       struct ds_arena *arena, struct ds_builder *out,
                                       bool personal);
DS_NODISCARD enum ds_err ds_call_view(struct ds_call *call, struct ds_view *view);
void ds_view_end(struct ds_view *view);
/* The journal's size that the view shows. */
DS_NODISCARD enum ds_err ds_view_position(struct ds_view *view, uint64_t *position);
/* "id": ..., fields of a record struct, without braces. */
void ds_view_put_fields(struct ds_view *view, uint8_t type, const struct ds_id *id,
                        const void *record, bool *first);
/* {...} of a stored row; DS_ERR_NOT_FOUND, and then nothing was written. */
DS_NODISCARD enum ds_err ds_view_put_row(struct ds_view *view, uint8_t type,
                                         const struct ds_id *id);
/* {...} of a device, with its worker's number and what it last told of itself (health.h). */
DS_NODISCARD enum ds_err ds_view_put_device(struct ds_view *view, const struct ds_id *id);
/* "name": {...} if the id is one and the row is there. */
DS_NODISCARD enum ds_err ds_view_put_member(struct ds_view *view, const char *name, uint8_t type,
                                            const struct ds_id *id, bool *first);
/* Fields of an op or a row as {...} from their canonical map; null if the type is unknown. */
DS_NODISCARD enum ds_err ds_view_put_map(struct ds_view *view, uint8_t type, const struct ds_id *id,
                                         struct ds_slice fields);
/* "name":[items of links...] as whole rows; kind of row wanted, 0: any. */
DS_NODISCARD enum ds_err ds_view_put_links(struct ds_view *view, enum ds_link kind,
                                           const struct ds_id *parent, uint8_t type);
/* A numbered entity's id by its number, or the id itself written in hex. */
struct ds_id ds_call_numbered(const struct ds_office *office, uint8_t type, const char *text);
/* "number" of a numbered row as text; false if it is not there. */
bool ds_view_number(struct ds_view *view, uint8_t type, const struct ds_id *id, char *out,
                    size_t size);
/* The slot of a meter in a period, of whichever register has one. */
DS_NODISCARD enum ds_err ds_view_slot(struct ds_view *view, const struct ds_id *meter,
                                      uint32_t period, struct ds_id *id, struct ds_slot *slot);

/* ---- Pages over links: {"items":[...],"next":...}; limit= and after= are taken here ---- */
struct ds_page_of_links {
    struct ds_call *call;
    struct ds_view *view;
    struct ds_key key;
    uint32_t order;
    struct ds_id child;
    uint8_t type;
    size_t left;
    size_t count;
    bool more;
    struct ds_id last; /* Of the page's last item, with its order. */
    uint32_t last_order;
};
DS_NODISCARD enum ds_err ds_page_begin(struct ds_call *call, struct ds_view *view,
                                       enum ds_link kind, const struct ds_id *parent,
                                       struct ds_page_of_links *page);
/* Go to the next child and write the comma; false at the page's end or on an error. */
bool ds_page_next(struct ds_page_of_links *page, enum ds_err *err);
/* Close the page with its next=; the caller's own members may follow. */
void ds_page_end(struct ds_page_of_links *page);

/* ---- Writes ---- */
/* DS_ERR_NOT_FOUND, with what as its words, if there is no such row. */
DS_NODISCARD enum ds_err ds_call_must_exist(struct ds_call *call, uint8_t type,
                                            const struct ds_id *id, const char *what);
/* Check a record struct, encode it as a draft, write it as the user, and answer Written. complete:
 * it is new, so REQUIRED fields must be there. id NULL: a new event or entity. A verdict that
 * refuses it is DS_ERR_CONFLICT with its words. */
DS_NODISCARD enum ds_err ds_call_write(struct ds_call *call, uint8_t type, const void *record,
                                       const struct ds_id *id, bool complete);

#endif
