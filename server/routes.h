/* The handlers of the API's routes, by file; route_table.c says what each is for. Private. */
#ifndef DS_SERVER_ROUTES_H
#define DS_SERVER_ROUTES_H

#include "server/call.h"

/* routes_session.c */
enum ds_err ds_route_login(struct ds_call *call);
enum ds_err ds_route_logout(struct ds_call *call);
enum ds_err ds_route_me(struct ds_call *call);
enum ds_err ds_route_workers(struct ds_call *call);
/* routes_books.c */
enum ds_err ds_route_books(struct ds_call *call);
enum ds_err ds_route_book(struct ds_call *call);
enum ds_err ds_route_book_meters(struct ds_call *call);
enum ds_err ds_route_book_assign(struct ds_call *call);
enum ds_err ds_route_periods(struct ds_call *call);
enum ds_err ds_route_period_open(struct ds_call *call);
enum ds_err ds_route_period_change(struct ds_call *call);
/* routes_meters.c */
enum ds_err ds_route_meters(struct ds_call *call);
enum ds_err ds_route_meter(struct ds_call *call);
enum ds_err ds_route_meter_readings(struct ds_call *call);
enum ds_err ds_route_meter_slots(struct ds_call *call);
enum ds_err ds_route_reading(struct ds_call *call);
enum ds_err ds_route_slot(struct ds_call *call);
/* routes_queue.c */
enum ds_err ds_route_anomalies(struct ds_call *call);
enum ds_err ds_route_anomaly(struct ds_call *call);
enum ds_err ds_route_anomaly_decide(struct ds_call *call);
enum ds_err ds_route_slot_decide(struct ds_call *call);
enum ds_err ds_route_meter_merge(struct ds_call *call);
/* routes_items.c */
enum ds_err ds_route_conflicts(struct ds_call *call);
enum ds_err ds_route_conflict(struct ds_call *call);
enum ds_err ds_route_conflict_resolve(struct ds_call *call);
enum ds_err ds_route_proposals(struct ds_call *call);
enum ds_err ds_route_proposal(struct ds_call *call);
enum ds_err ds_route_proposal_resolve(struct ds_call *call);
enum ds_err ds_route_quarantine(struct ds_call *call);
enum ds_err ds_route_quarantine_item(struct ds_call *call);
enum ds_err ds_route_quarantine_resolve(struct ds_call *call);
/* "name":[...] of the conflicts and proposals about an entity, for a meter's story. */
DS_NODISCARD enum ds_err ds_items_about(struct ds_view *view, uint8_t type,
                                        const struct ds_id *entity, bool *first);
/* routes_devices.c */
enum ds_err ds_route_devices(struct ds_call *call);
enum ds_err ds_route_device(struct ds_call *call);
enum ds_err ds_route_device_code(struct ds_call *call);
enum ds_err ds_route_device_change(struct ds_call *call);
enum ds_err ds_route_tasks(struct ds_call *call);
enum ds_err ds_route_task(struct ds_call *call);
enum ds_err ds_route_task_make(struct ds_call *call);
enum ds_err ds_route_task_change(struct ds_call *call);
/* routes_journal.c */
enum ds_err ds_route_head(struct ds_call *call);
enum ds_err ds_route_proof(struct ds_call *call);
enum ds_err ds_route_changes(struct ds_call *call);
enum ds_err ds_route_events(struct ds_call *call);
/* routes_outbox.c */
enum ds_err ds_route_exports(struct ds_call *call);
enum ds_err ds_route_answers(struct ds_call *call);
enum ds_err ds_route_reconciliation(struct ds_call *call);
enum ds_err ds_route_statement(struct ds_call *call);
/* routes_system.c */
enum ds_err ds_route_alive(struct ds_call *call);
enum ds_err ds_route_metrics(struct ds_call *call);
enum ds_err ds_route_openapi(struct ds_call *call);
/* routes_sync.c */
enum ds_err ds_route_exchange(struct ds_call *call);
enum ds_err ds_route_enrol(struct ds_call *call);

#endif
