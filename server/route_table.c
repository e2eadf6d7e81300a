/* Every route of the server, once: who may, what goes in, what comes out. */
#include "server/routes.h"

#define NEXT                                                                                       \
    {                                                                                              \
        "after", "text", "The next= of the page before."                                           \
    }
#define LIMIT                                                                                      \
    {                                                                                              \
        "limit", "int", "Items of a page: 1 to 200, default 50."                                   \
    }
#define END                                                                                        \
    {                                                                                              \
        NULL, NULL, NULL                                                                           \
    }

static const struct ds_route_query page_queries[] = {NEXT, LIMIT, END};
static const struct ds_route_query book_queries[] = {
    {"period", "int", "YYYYMM; default the latest one opened."}, NEXT, LIMIT, END};
static const struct ds_route_query period_queries[] = {
    {"book", "id", "All periods of this book; default the latest period of each book."},
    NEXT,
    LIMIT,
    END};
static const struct ds_route_query one_period[] = {
    {"period", "int", "YYYYMM; default the latest one opened."}, END};
static const struct ds_route_query reading_queries[] = {{"period", "int", "YYYYMM; default all."},
                                                        END};
static const struct ds_route_query find_queries[] = {
    {"meter_no", "text", "Number on the dial."},
    {"manufacturer", "text", "Its maker, with meter_no; equal numbers of two makers are normal."},
    {"account", "text", "Account number (or id): its meters."},
    END};
static const struct ds_route_query story_queries[] = {
    {"periods", "int", "How many slots back: 1 to 120, default 24."}, END};
static const struct ds_route_query anomaly_queries[] = {
    {"severity", "enum:severity", "Only these."},
    {"rule", "enum:rule", "Only of this rule."},
    {"book", "id", "Only of this book."},
    {"period", "int", "Only of this period, YYYYMM."},
    NEXT,
    LIMIT,
    END};
static const struct ds_route_query proof_queries[] = {
    {"op", "id", "Of this op: a reading's id, for one."},
    {"from", "int", "Or: since this size of the journal."},
    {"to", "int", "With from: up to this size; default the present one."},
    END};
static const struct ds_route_query change_queries[] = {
    {"after", "text", "POSITION, or the next= of the answer before; default the beginning."},
    LIMIT,
    END};
static const struct ds_route_query event_queries[] = {
    {"after", "text", "POSITION, or a next= or id; default the beginning."}, END};
static const struct ds_route_query day_queries[] = {
    {"day", "day", "Day of the exports, in the station's time zone."},
    {"consumer", "enum:consumer", "Default billing."},
    END};

#define READ DS_ROLES_READ
#define OFFICE DS_ROLES_OFFICE
#define DECIDE DS_ROLES_DECIDE
#define ADMIN DS_ROLES_ADMIN
#define ANYBODY DS_API_PUBLIC
#define SIGNED_IN DS_API_SIGNED_IN
#define V1 "/api/v1"
#define OCTETS "application/octet-stream"

/* clang-format off */
static const struct ds_route routes[] = {
#include "server/routes.def"
};
/* clang-format on */

const struct ds_route *ds_routes(size_t *count)
{
    *count = DS_COUNT(routes);
    return routes;
}
