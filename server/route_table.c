/* The one table of all routes: who may call what, what it takes and gives. The dispatcher, the
 * OpenAPI document and the reference are made from it. */
#include "server/routes.h"

/* Query parameters; each list ends with QUERY_END. */
#define QUERY_END                                                                                  \
    {                                                                                              \
        NULL, NULL, NULL                                                                           \
    }
#define QUERY_PAGE                                                                                 \
    {"limit", "int", "Items of a page, 1 to 200; default 50."},                                    \
        {"after", "text", "next= of the page before."}, QUERY_END
#define QUERY_DAY                                                                                  \
    {"consumer", "enum:consumer", "Which side."}, {"day", "day", "In the station's time zone."},   \
        QUERY_END
static const struct ds_route_query page[] = {QUERY_PAGE};
static const struct ds_route_query of_period[] = {
    {"period", "int", "YYYYMM; default the latest that was opened."},
    QUERY_END,
};
static const struct ds_route_query page_of_period[] = {
    {"period", "int", "YYYYMM; default the latest that was opened."},
    QUERY_PAGE,
};
static const struct ds_route_query periods[] = {
    {"book", "id", "Its periods; without it the latest one of each book."},
    QUERY_PAGE,
};
static const struct ds_route_query meters[] = {
    {"manufacturer", "text", "Maker; with meter_no."},
    {"meter_no", "text", "Number on the dial."},
    {"account", "text", "Account number, instead of the meter's."},
    QUERY_END,
};
static const struct ds_route_query story[] = {
    {"periods", "int", "Slots at most, 1 to 120; default 24."},
    QUERY_END,
};
static const struct ds_route_query readings[] = {
    {"period", "int", "YYYYMM; default all."},
    QUERY_END,
};
static const struct ds_route_query queue[] = {
    {"severity", "enum:severity", "Only these."},
    {"rule", "enum:rule", "Only what this rule found."},
    {"period", "int", "YYYYMM; only in this period."},
    {"book", "id", "Only in this book."},
    QUERY_PAGE,
};
static const struct ds_route_query changes[] = {
    {"limit", "int", "Items of a page, 1 to 200; default 50."},
    {"after", "text", "next= of the call before, or a position; default from the beginning."},
    QUERY_END,
};
static const struct ds_route_query events[] = {
    {"after", "text", "next= of a page of changes, or a position; default from now on."},
    QUERY_END,
};
static const struct ds_route_query day_of[] = {QUERY_DAY};

static const struct ds_route table[] = {
    /* Sessions. */
    {"POST", "/api/v1/login", "login", DS_API_PUBLIC, ds_route_login, "Login", "Session", NULL,
     "Begin a session; throttled by user and address."},
    {"POST", "/api/v1/logout", "logout", DS_API_SIGNED_IN, ds_route_logout, NULL, "Done", NULL,
     "End the session."},
    {"GET", "/api/v1/me", "me", DS_API_SIGNED_IN, ds_route_me, NULL, "Me", NULL,
     "Who asks, his roles, the station and the server's clock."},
    {"GET", "/api/v1/workers", "workers", DS_ROLES_READ, ds_route_workers, NULL, "WorkerList", page,
     "Workers with their roles."},
    /* Books and periods. */
    {"GET", "/api/v1/books", "books", DS_ROLES_READ, ds_route_books, NULL, "BookList",
     page_of_period, "Books with their progress in a period."},
    {"GET", "/api/v1/books/{id}", "book", DS_ROLES_READ, ds_route_book, NULL, "BookItem", of_period,
     "A book with its progress in a period."},
    {"GET", "/api/v1/books/{id}/meters", "book_meters", DS_ROLES_READ, ds_route_book_meters, NULL,
     "RoundList", page_of_period, "The round: meters in walking order, each with its slot."},
    {"POST", "/api/v1/books/{id}/assign", "book_assign", DS_ROLES_OFFICE, ds_route_book_assign,
     "Assign", "Written", NULL, "Give a book to a worker; his devices get it at their next sync."},
    {"GET", "/api/v1/periods", "periods", DS_ROLES_READ, ds_route_periods, NULL, "PeriodList",
     periods, "Periods of a book, or the latest one of each."},
    {"POST", "/api/v1/periods", "period_open", DS_ROLES_OFFICE, ds_route_period_open, "NewPeriod",
     "Written", NULL, "Open a period of a book."},
    {"POST", "/api/v1/periods/{id}", "period_change", DS_ROLES_DECIDE, ds_route_period_change,
     "PeriodChange", "Written", NULL, "Close the reading of a period, mark it billed, close it."},
    /* Meters, readings, slots. */
    {"GET", "/api/v1/meters", "meters", DS_ROLES_READ, ds_route_meters, NULL, "MeterList", meters,
     "Find meters by number or by account."},
    {"GET", "/api/v1/meters/{id}", "meter", DS_ROLES_READ, ds_route_meter, NULL, "Story", story,
     "All that is known of a meter."},
    {"GET", "/api/v1/meters/{id}/readings", "meter_readings", DS_ROLES_READ,
     ds_route_meter_readings, NULL, "ReadingList", readings, "Its readings."},
    {"GET", "/api/v1/meters/{id}/slots", "meter_slots", DS_ROLES_READ, ds_route_meter_slots, NULL,
     "SlotList", NULL, "Its slots, the last 120."},
    {"GET", "/api/v1/readings/{id}", "reading", DS_ROLES_READ, ds_route_reading, NULL, "Reading",
     NULL, "A reading."},
    {"GET", "/api/v1/slots/{id}", "slot", DS_ROLES_READ, ds_route_slot, NULL, "Slot", NULL,
     "A slot; its candidates_hash goes into a decision."},
    {"POST", "/api/v1/slots/{id}/decide", "slot_decide", DS_ROLES_DECIDE, ds_route_slot_decide,
     "Decide", "Written", NULL, "Decide over a slot as it was seen."},
    /* The queue. */
    {"GET", "/api/v1/anomalies", "anomalies", DS_ROLES_READ, ds_route_anomalies, NULL,
     "AnomalyList", queue, "Open anomalies, most money at risk first."},
    {"GET", "/api/v1/anomalies/{id}", "anomaly", DS_ROLES_READ, ds_route_anomaly, NULL,
     "AnomalyItem", NULL, "An anomaly in any state, with its slot and meter."},
    {"POST", "/api/v1/anomalies/{id}/decide", "anomaly_decide", DS_ROLES_DECIDE,
     ds_route_anomaly_decide, "Decide", "Written", NULL, "Decide over the slot of an anomaly."},
    {"GET", "/api/v1/conflicts", "conflicts", DS_ROLES_READ, ds_route_conflicts, NULL,
     "ConflictList", page, "Open conflicts."},
    {"GET", "/api/v1/conflicts/{id}", "conflict", DS_ROLES_READ, ds_route_conflict, NULL,
     "ConflictItem", NULL, "A conflict with base, mine and theirs."},
    {"POST", "/api/v1/conflicts/{id}/resolve", "conflict_resolve", DS_ROLES_DECIDE,
     ds_route_conflict_resolve, "Resolve", "Written", NULL, "keep_base, keep_mine or keep_theirs."},
    {"GET", "/api/v1/proposals", "proposals", DS_ROLES_READ, ds_route_proposals, NULL,
     "ProposalList", page, "Open proposals."},
    {"GET", "/api/v1/proposals/{id}", "proposal", DS_ROLES_READ, ds_route_proposal, NULL,
     "ProposalItem", NULL, "A proposal beside the owner's value."},
    {"POST", "/api/v1/proposals/{id}/resolve", "proposal_resolve", DS_ROLES_DECIDE,
     ds_route_proposal_resolve, "Resolve", "Written", NULL, "accept_proposal or refuse_proposal."},
    {"GET", "/api/v1/quarantine", "quarantine", DS_ROLES_READ, ds_route_quarantine, NULL,
     "QuarantineList", page, "Ops that were taken but not folded."},
    {"GET", "/api/v1/quarantine/{id}", "quarantine_item", DS_ROLES_READ, ds_route_quarantine_item,
     NULL, "QuarantineRow", NULL, "One of them, beside the entity as it stands."},
    {"POST", "/api/v1/quarantine/{id}/resolve", "quarantine_resolve", DS_ROLES_DECIDE,
     ds_route_quarantine_resolve, "Resolve", "Written", NULL, "release or reject."},
    /* Devices and tasks. */
    {"GET", "/api/v1/devices", "devices", DS_ROLES_READ, ds_route_devices, NULL, "DeviceList", page,
     "Devices and other actors with what they last told of themselves."},
    {"GET", "/api/v1/devices/{id}", "device", DS_ROLES_READ, ds_route_device, NULL, "DeviceItem",
     NULL, "A device."},
    {"POST", "/api/v1/devices/code", "device_code", DS_ROLES_ADMIN, ds_route_device_code, "CodeFor",
     "EnrolCode", NULL, "Make an enrolment code; it serves once, for 15 minutes."},
    {"POST", "/api/v1/devices/{id}", "device_change", DS_ROLES_ADMIN, ds_route_device_change,
     "DeviceChange", "Written", NULL, "Suspend, resume (active), revoke or wipe a device."},
    {"GET", "/api/v1/tasks", "tasks", DS_ROLES_READ, ds_route_tasks, NULL, "TaskList", page,
     "Open tasks."},
    {"GET", "/api/v1/tasks/{id}", "task", DS_ROLES_READ, ds_route_task, NULL, "Task", NULL,
     "A task."},
    {"POST", "/api/v1/tasks", "task_make", DS_ROLES_OFFICE, ds_route_task_make, "NewTask",
     "Written", NULL, "Order something; a re_read reaches the handheld at its next exchange."},
    {"POST", "/api/v1/tasks/{id}", "task_change", DS_ROLES_OFFICE, ds_route_task_change,
     "TaskChange", "Written", NULL, "Assign, approve, return or cancel a task."},
    /* The journal. */
    {"GET", "/api/v1/journal/head", "journal_head", DS_API_SIGNED_IN, ds_route_head, NULL, "Head",
     NULL, "The journal's signed head."},
    {"GET", "/api/v1/changes", "changes", DS_ROLES_READ, ds_route_changes, NULL, "Changes", changes,
     "What changed behind a position."},
    {"GET", "/api/v1/events", "events", DS_ROLES_READ, ds_route_events, NULL, "text/event-stream",
     events, "The same as server-sent events; 503 when too many listen, then ask for changes."},
    /* Central systems. */
    {"GET", "/api/v1/exports", "exports", DS_ROLES_READ, ds_route_exports, NULL, "ExportList", NULL,
     "Where billing and GIS stand."},
    {"POST", "/api/v1/central/answers", "answers", DS_ROLES_DECIDE, ds_route_answers, "Answers",
     "Answered", NULL, "What a central system says to what it got; corrected master data."},
    {"GET", "/api/v1/reconciliation", "reconciliation", DS_ROLES_READ, ds_route_reconciliation,
     NULL, "Reconciliation", day_of, "Compare a day with the statement that was kept."},
    {"POST", "/api/v1/reconciliation", "statement", DS_ROLES_DECIDE, ds_route_statement, "text/csv",
     "Reconciliation", day_of, "Keep the other side's statement of a day and compare."},
    /* The server itself. */
    {"GET", "/api/v1/openapi.json", "openapi", DS_API_PUBLIC, ds_route_openapi, NULL,
     "application/json", NULL, "This document."},
    {"GET", "/healthz", "alive", DS_API_PUBLIC, ds_route_alive, NULL, "Alive", NULL,
     "Does it serve?"},
    {"GET", "/metrics", "metrics", DS_API_PUBLIC, ds_route_metrics, NULL,
     "text/plain; version=0.0.4", NULL, "Counters as Prometheus text; no personal data."},
    /* Handhelds. */
    {"POST", "/sync/v1/exchange", "exchange", DS_API_PUBLIC, ds_route_exchange,
     "application/octet-stream", "application/octet-stream", NULL,
     "One exchange of a device, proven by its link key (sync/FORMAT.md)."},
    {"POST", "/sync/v1/enrol", "enrol", DS_API_PUBLIC, ds_route_enrol, "application/octet-stream",
     "application/octet-stream", NULL, "Enrol a device by its code (sync/FORMAT.md)."},
};

const struct ds_route *ds_routes(size_t *count)
{
    *count = DS_COUNT(table);
    return table;
}
