/* The station's back door for its own command line: one request table, two ways to reach it.
 *
 * ds_admin_open() connects to DIR/admin.sock (mode 0600) when a daemon runs, else it takes DIR's
 * lock and serves the same requests in the same process with the same writer. So there is one way
 * in, and a command never asks which. A message is one line of JSON each way; a request is
 * {"do": NAME, ...}, an answer {"ok": true, ...} or {"ok": false, "error": "DS_ERR_...",
 * "detail": "..."}. Whoever may open the socket is the administrator: the file's mode decides. */
#ifndef DS_SERVER_ADMIN_H
#define DS_SERVER_ADMIN_H

#include "server/office.h"

#include <jansson.h>

#define DS_ADMIN_LINE_MAX (1024 * 1024)      /* Bytes of a request or an answer. */
#define DS_ADMIN_DRAFTS_MAX 1000             /* Of one "import". */
#define DS_ADMIN_ROWS_MAX 1000               /* Of one "rows". */
#define DS_ADMIN_TIMEOUT_MS (30 * 60 * 1000) /* A client waits this long (verify, rebuild). */

/* The requests. Members marked ? may be absent. Ids are 32 hex digits; a worker is named by his
 * number or his id.
 *
 * ping        -> version, pid, daemon (bool)
 * station     -> id, number, name, offset_min, sample, epoch, size, root, sign_key, box_key, now_ms
 * clock       instant_ms -> now_ms: sets the clock of a sample station, from which it runs on
 * import      actor? ("import", "billing", "gis"; default import), drafts: [{type: NAME, id?,
 *             fields: {as in the API's JSON, personal fields in clear}}], repeat?: "skip" (default:
 *             what is so already is not written again, events included) or "write"
 *             -> written, unchanged, position, items: [{index, id, verdict?, detail?, error?}] for
 *             each draft that was not plainly applied, ids: [id of each draft] in order. A draft
 *             that the schema refuses does not stop the others (error).
 * rows        type: NAME, after?: id, limit? -> rows: [{id, ...fields, personal in clear}], next?
 *             (all records of a type in id order; slot and reading too). type device with
 *             health: true also has worker_number and what the device last told of itself.
 * code        worker, url?, pins?: [64 hex] -> text ("DS1:..."), url, expires_ms
 * user_add    name, password, worker?, worker_name?, roles?: [NAME] -> worker id. Makes the worker
 *             if there is none of that number (default: the user's name), grants the roles.
 * user_remove name
 * user_list   -> users: [{name, worker, active, roles}]
 * role_end    user or worker, roles: [NAME] -> worker id. Ends roles held for the whole station.
 * device_state device: id, state: NAME. Suspends, locks, revokes, wipes, or lets in again.
 * backup      to: absolute path -> epoch, size, root, digest of the verified copy
 * epoch       user: NAME of an administrator, known? (the greatest epoch that anybody heard of)
 *             -> epoch, kept_size. Declares a restore.
 * erase       user: NAME, keys: [id] . Destroys customer keys.
 * verify      witness_size?, witness_root? (a head that somebody kept) -> size, root
 *             (DS_ERR_INTEGRITY names entry, device and sequences)
 * prove       op: id -> the proof's members (JournalProof of the API): that it is in the journal
 * rebuild     -> have, made (digests), equal: refolds the journal into a fresh store
 * digest      -> digest, size
 * scrub       -> values, bad
 * bundle      file: absolute path -> taken, refused, items: [{index, error}]: relayed batches
 * statement   consumer, day ("2026-01-05"), file: absolute path -> as GET /api/v1/reconciliation
 * deliver     consumer -> exports: hand over what waits now, without waiting for the interval */

struct ds_admin; /* A client. */

/* DS_ERR_NOT_FOUND: no station there; DS_ERR_LOCKED: another command holds it. */
DS_NODISCARD enum ds_err ds_admin_open(const char *dir, struct ds_admin **admin,
                                       struct ds_detail *detail);
void ds_admin_close(struct ds_admin *admin);
/* Call; request is borrowed. *answer (yours, json_decref) is set on DS_OK only; a refusal comes
 * back as its error and detail. DS_ERR_UNREACHABLE if the daemon went away: what became of the
 * request is then unknown, and repeating an import with repeat = skip is safe. */
DS_NODISCARD enum ds_err ds_admin_call(struct ds_admin *admin, const json_t *request,
                                       json_t **answer, struct ds_detail *detail);
/* Is a daemon on the other side? */
bool ds_admin_is_daemon(const struct ds_admin *admin);
/* The opened site when this process serves itself, NULL with a daemon. */
struct ds_site *ds_admin_site(struct ds_admin *admin);

/* The daemon's side: a thread that listens on DIR/admin.sock. */
struct ds_admin_server;
DS_NODISCARD enum ds_err ds_admin_serve(struct ds_office *office, struct ds_admin_server **server,
                                        struct ds_detail *detail);
void ds_admin_server_stop(struct ds_admin_server *server);

/* One request to its answer, in this process. Never fails: a refusal is an answer too. */
json_t *ds_admin_execute(struct ds_office *office, const json_t *request);

#endif
