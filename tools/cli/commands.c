/* The table of commands: a row is all there is to know about one (cli.h). */
#include "tools/cli/commands.h"

#define END                                                                                        \
    {                                                                                              \
        NULL, NULL, NULL, false                                                                    \
    }
#define NONE no_options

static const struct ds_cli_option no_options[] = {END};

static const struct ds_cli_option init_options[] = {
    {"number", "N", "Station code.", true},
    {"name", "S", "Name.", true},
    {"offset", "+08:00", "Time zone.", true},
    {"billing", "central|doorstep", "Whose bill is the legal bill; default central.", false},
    {"sample", NULL, "A station of sample data: a settable clock is allowed.", false},
    {"clock", "INSTANT", "Of a sample station: the instant at which it begins.", false},
    END};

static const struct ds_cli_option proxy_options[] = {
    {"renew", NULL, "Make a new key and certificate; handhelds must learn the new pin.", false},
    END};

static const struct ds_cli_option import_options[] = {
    {"kind", "K", "What the rows are.", true},
    {"map", "MAPPING.ini", "How the file's columns become fields.", false},
    {"dry-run", NULL, "Check every row and write the rejected ones; load nothing.", false},
    END};

static const struct ds_cli_option export_options[] = {
    {"kind", "K", "Which records: account, meter, reading, slot, ...", true},
    {"format", "csv|jsonl|geojson", "How they are written.", true},
    {"out", "FILE", "Where; - or nothing: standard output.", false},
    {"encoding", "NAME", "Of a CSV: utf-8 (default), utf-8-bom, gb18030, gbk.", false},
    END};

static const struct ds_cli_option user_add_options[] = {
    {"name", "N", "Name to log in with.", true},
    {"worker", "W", "Number of the person; made if there is none.", false},
    {"role", "R", "Roles to grant, with commas between.", false},
    {"password-file", "FILE", "Its first line; default: DOORSTEP_PASSWORD.", false},
    END};

static const struct ds_cli_option user_options[] = {{"name", "N", "Name of the user.", true}, END};

static const struct ds_cli_option role_remove_options[] = {
    {"name", "N", "Name of a console user.", false},
    {"worker", "W", "Or the number of a worker.", false},
    {"role", "R", "Roles to take away, with commas between.", true},
    END};

static const struct ds_cli_option device_options[] = {
    {"device", "ID", "32 hex digits; `device list` shows them.", true}, END};

static const struct ds_cli_option rule_set_options[] = {
    {"rule", "NAME", "Which rule; `rule list` shows them.", true},
    {"severity", "hold|sample|note", "How grave a finding is.", false},
    {"on", NULL, "The rule looks.", false},
    {"off", NULL, "The rule does not look.", false},
    {"limit-1", "N", "First limit; schema/RULES.md says what it means.", false},
    {"limit-2", "N", "Second limit.", false},
    END};

static const struct ds_cli_option code_options[] = {
    {"worker", "W", "Number of the person who will hold the device.", true},
    {"qr", "FILE.png", "Also as a QR picture.", false},
    {"qr-text", NULL, "Also as a QR on the terminal.", false},
    {"url", "URL", "What the device calls; default: server.public_url.", false},
    {"pins", "HEX", "SHA-256 of the proxy's public keys; default: the station's own.", false},
    END};

static const struct ds_cli_option device_state_options[] = {
    {"device", "ID", "32 hex digits, as `device list` shows.", true},
    {"to", "STATE", "active, suspended, locked, revoked or wiped.", true},
    END};

static const struct ds_cli_option period_open_options[] = {
    {"book", "B", "One book.", false},
    {"all", NULL, "Every book.", false},
    {"period", "YYYYMM", "Which period.", true},
    {"due", "DAY", "When readings are due.", false},
    END};

static const struct ds_cli_option period_close_options[] = {
    {"book", "B", "One book.", false},
    {"all", NULL, "Every book.", false},
    {"period", "YYYYMM", "Which period.", true},
    {"unread-too", NULL, "Close also where meters are unread.", false},
    END};

static const struct ds_cli_option assign_options[] = {
    {"book", "B", "Which book.", true}, {"worker", "W", "Who walks it from now on.", true}, END};

static const struct ds_cli_option restore_options[] = {
    {"user", "NAME", "The administrator who declares it; his key signs.", true},
    {"position", "N", "Keep N entries of the journal and fold it anew; default: all.", false},
    {"after-epoch", "E", "Handhelds know epoch E, which the backup does not.", false},
    END};

static const struct ds_cli_option verify_options[] = {
    {"witness", "SIZE:ROOT", "A head that a handheld kept: the journal must continue it.", false},
    END};

static const struct ds_cli_option prove_options[] = {
    {"op", "ID", "Which op: 32 hex digits, a reading's id for one.", false},
    {"meter", "M", "Or: the reading that stands for this meter (number, or 32 hex digits) ...",
     false},
    {"manufacturer", "NAME", "... of this maker, with a number ...", false},
    {"period", "YYYYMM", "... in this period.", false},
    {"out", "FILE", "Where to write the proof; default: standard output.", false},
    END};

static const struct ds_cli_option proof_check_options[] = {
    {"server-key", "KEY", "The server's key, 64 hex digits, known from elsewhere.", true}, END};

static const struct ds_cli_option deliver_options[] = {
    {"consumer", "billing|gis", "Which side.", true}, END};

static const struct ds_cli_option reconcile_options[] = {
    {"consumer", "billing|gis", "With which side.", true},
    {"day", "DAY", "Which day, 2026-01-30.", true},
    {"statement", "FILE", "What the other side says it has (CSV).", true},
    END};

#define STORE                                                                                      \
    {                                                                                              \
        "store", "H", "Folder of the handheld's store.", true                                      \
    }
#define PIN                                                                                        \
    {                                                                                              \
        "pin-file", "FILE", "Its first line is the PIN; default: DOORSTEP_PIN.", false             \
    }
#define AT                                                                                         \
    {                                                                                              \
        "at", "INSTANT", "What the handheld's clock says; default: the machine's.", false          \
    }
static const struct ds_cli_option store_options[] = {STORE, PIN, AT, END};

static const struct ds_cli_option sync_options[] = {
    STORE, PIN, AT, {"prove", NULL, "Let the server prove its history.", false}, END};

static const struct ds_cli_option list_options[] = {
    STORE,
    PIN,
    AT,
    {"book", "B", "Which book.", true},
    {"open", NULL, "Only what is still to be read.", false},
    END};

static const struct ds_cli_option show_options[] = {
    STORE,
    PIN,
    AT,
    {"meter", "M", "Meter number, or 32 hex digits.", true},
    {"manufacturer", "NAME", "Where two makers have the number.", false},
    END};

static const struct ds_cli_option log_options[] = {
    STORE, PIN, AT, {"unsent", NULL, "Only what is not under a receipt.", false}, END};

static const struct ds_cli_option read_options[] = {
    STORE,
    PIN,
    AT,
    {"meter", "M", "Meter number, or 32 hex digits.", true},
    {"manufacturer", "NAME", "Where two makers have the number.", false},
    {"index", "N", "What the dial shows, up to the last read digit.", false},
    {"again", "N", "The second, blind entry, where a rule asked for one.", false},
    {"period", "YYYYMM", "Default: the open one of the meter's book.", false},
    {"method", "WORD", "on_site (default), phone, self_report, estimate, remote, card.", false},
    {"condition", "WORD", "normal (default), not_seen, no_access, stopped, ...", false},
    {"register", "WORD", "mechanical (default), electronic, standard, working.", false},
    {"estimate-method", "WORD", "same_season, mean_of_3_actual, zero_vacant, agreed.", false},
    {"photo", "FILE", "Picture of the dial; its bytes stay in the vault.", false},
    {"reason", "TEXT", "Why, where a rule asked.", false},
    {"note", "TEXT", "A note; no personal data.", false},
    {"lat", "DEGREES", "Where the reader stands.", false},
    {"lon", "DEGREES", "Likewise.", false},
    {"accuracy", "METRES", "Of the position; default 10.", false},
    END};

static const struct ds_cli_option visit_options[] = {
    STORE,
    PIN,
    AT,
    {"meter", "M", "Meter number, or 32 hex digits.", true},
    {"manufacturer", "NAME", "Where two makers have the number.", false},
    {"outcome", "WORD", "no_access, refused, moved, dog, unsafe, entered.", true},
    {"period", "YYYYMM", "Default: the open one of the meter's book.", false},
    {"slip", NULL, "A slip was left.", false},
    {"photo", "FILE", "Picture of the door.", false},
    {"note", "TEXT", "A note; no personal data.", false},
    {"lat", "DEGREES", "Where the worker stands.", false},
    {"lon", "DEGREES", "Likewise.", false},
    {"accuracy", "METRES", "Of the position; default 10.", false},
    END};

static const struct ds_cli_option simulate_options[] = {
    {"server", "URL", "The server that the handhelds call.", true},
    {"station", "DIR", "The station, for enrolment codes and what the office does.", false},
    {"user", "NAME", "Or a console user who gives the codes; an administrator.", false},
    {"password-file", "FILE", "Its first line; default: DOORSTEP_PASSWORD.", false},
    {"handhelds", "N", "How many; default 20.", false},
    {"days", "D", "How many days of reading; default 1.", false},
    {"seed", "S", "Decides everything that is drawn; default 1.", false},
    {"scenario", "FILE", "Play this day instead of a drawn one.", false},
    {"stores", "DIR", "Where the handhelds' stores lie; default: a temporary folder.", false},
    {"record", "FILE", "Write what every handheld committed, for `scenario check`.", false},
    {"drop-op", NULL, "Lose one op on purpose, to see that it is noticed.", false},
    END};

static const struct ds_cli_option decide_options[] = {
    {"server", "URL", "The server.", true},
    {"user", "NAME", "Who decides; password by DOORSTEP_PASSWORD.", true},
    {"password-file", "FILE", "Its first line; default: DOORSTEP_PASSWORD.", false},
    {"scenario", "FILE", "The day; injected.csv beside it says what to decide.", true},
    END};

static const struct ds_cli_option check_options[] = {
    {"scenario", "FILE", "The day.", true},
    {"record", "FILE", "What the handhelds committed (simulate --record).", true},
    END};

#define ROW(name, positions, options, run, help, more)                                             \
    {                                                                                              \
        name, positions, options, help, more, run                                                  \
    }
static const struct ds_cli_command commands[] = {
    ROW("station init", "DIR", init_options, ds_cmd_station_init, "Make a station's folder.",
        "DIR may not exist, or must be empty. It holds settings, keys, journal and state."),
    ROW("station show", "DIR", NONE, ds_cmd_station_show, "Say what a station is.", ""),
    ROW("station proxy", "DIR", proxy_options, ds_cmd_station_proxy,
        "Write the TLS proxy's configuration, key and certificate.",
        "Settings [proxy] of doorstep.ini say where it listens. Start it with\n"
        "`haproxy -f DIR/tls/haproxy.cfg`, and the server with --behind-proxy."),
    ROW("import", "DIR FILE", import_options, ds_cmd_import, "Load rows of a file.",
        "Kinds: station worker account premises meter book tariff code rule_setting history asset\n"
        "remote_reading billing_answer. CSV; premises and asset also as FILE.geojson.\n"
        "Rejected rows go to FILE.bad.csv with _line, _column and _reason, the rest loads: exit "
        "3.\n"
        "Loading a file twice changes nothing. tools/README.md says what a mapping holds."),
    ROW("export", "DIR", export_options, ds_cmd_export, "Write records to a file.",
        "Personal fields are written in clear, so only you may read the file (mode 0600). A CSV "
        "of\n"
        "what import takes has its columns. For Excel: --encoding utf-8-bom or gb18030."),
    ROW("user add", "DIR", user_add_options, ds_cmd_user_add,
        "Add a console user, or change his password.", ""),
    ROW("user remove", "DIR", user_options, ds_cmd_user_remove, "Switch a console user off.", ""),
    ROW("user list", "DIR", NONE, ds_cmd_user_list, "List the console users.", ""),
    ROW("user role remove", "DIR", role_remove_options, ds_cmd_user_role_remove,
        "Take a role away from a user or a worker, from now on.",
        "Only roles held for the whole station. What he did before stays his."),
    ROW("device list", "DIR", NONE, ds_cmd_device_list,
        "List the handhelds: whose, state, last contact; whether they did what was ordered.", ""),
    ROW("device revoke", "DIR", device_options, ds_cmd_device_revoke,
        "Shut a lost handheld out. Its unsent work still arrives, in quarantine.", ""),
    ROW("rule list", "DIR", NONE, ds_cmd_rule_list,
        "List the reading rules as this station has them.", ""),
    ROW("rule set", "DIR", rule_set_options, ds_cmd_rule_set,
        "Set a rule's severity or limits at this station.",
        "Many at once: `import --kind rule_setting` (columns rule, severity, enabled, limit_1,\n"
        "limit_2). It holds for what is judged from then on; older findings stay as they are."),
    ROW("device code", "DIR", code_options, ds_cmd_device_code,
        "Make an enrolment code: text, and QR.", "It lives 15 minutes and serves once."),
    ROW("device state", "DIR", device_state_options, ds_cmd_device_state,
        "Suspend, lock, revoke or wipe a handheld, or let it in again.",
        "Locked, its work counts and what it pulled is closed; wiped, nothing on it opens, and\n"
        "what it had not sent still arrives."),
    ROW("period open", "DIR", period_open_options, ds_cmd_period_open,
        "Open a billing period of a book, or of all.", "A closed period is not opened again."),
    ROW("period close", "DIR", period_close_options, ds_cmd_period_close,
        "Close the reading of a period, for good.",
        "Billing has got what was decided already; now it also gets what nobody asks about. What "
        "is\n"
        "held waits for its decision. Unread meters stay without a reading: --unread-too."),
    ROW("book assign", "DIR", assign_options, ds_cmd_book_assign, "Give a book to a reader.", ""),
    ROW("journal verify", "DIR", verify_options, ds_cmd_journal_verify,
        "Verify every entry, signature, chain and the tree.",
        "A changed byte: exit 4. It is named by its entry, its device and its sequences."),
    ROW("journal prove", "DIR", prove_options, ds_cmd_journal_prove,
        "Prove that one op is in the journal.",
        "The proof shows this op, the header of its batch, and hashes; no other customer's data."),
    ROW("journal check", "FILE", proof_check_options, ds_cmd_journal_check,
        "Check such a proof, without a station.",
        "sync/FORMAT.md, \"Proofs\", says how to do it without this program."),
    ROW("journal head", "DIR", NONE, ds_cmd_journal_head, "Epoch, size and root of the journal.",
        ""),
    ROW("rebuild", "DIR", NONE, ds_cmd_rebuild, "Fold the journal into a fresh store and compare.",
        "Another digest: exit 4."),
    ROW("scrub", "DIR", NONE, ds_cmd_scrub, "Read every stored value and check its tag.",
        "Damage is named by page, or by table and key: exit 4. What was folded comes back by\n"
        "`rebuild`, the rest from a backup."),
    ROW("backup", "DIR TO", NONE, ds_cmd_backup, "Copy a station while it runs.", ""),
    ROW("restore", "FROM DIR", restore_options, ds_cmd_restore,
        "Make a station from a backup, in a new epoch.",
        "Handhelds learn of it at their next exchange and bring back what it does not hold."),
    ROW("bundle export", "FILE", store_options, ds_cmd_bundle_export,
        "Write a handheld's unsent work to a file that any bearer can carry.", ""),
    ROW("bundle import", "DIR FILE", NONE, ds_cmd_bundle_import, "Take the work in a bundle file.",
        ""),
    ROW("outbox deliver", "DIR", deliver_options, ds_cmd_outbox_deliver,
        "Hand over to billing or GIS what waits now.", ""),
    ROW("reconcile", "DIR", reconcile_options, ds_cmd_reconcile,
        "Compare a day with what billing or GIS says it has.", "Differences: exit 1."),
    ROW("handheld enrol", "CODE", store_options, ds_cmd_handheld_enrol,
        "Enrol with a code (`device code`).", ""),
    ROW("handheld sync", "", sync_options, ds_cmd_handheld_sync,
        "Send and take until nothing is left.",
        "Without the PIN it hands in sealed work only. Work that is not delivered: exit 3 if a\n"
        "part was, else 1. A handheld that was suspended, revoked or wiped says so: exit 1.\n"
        "Once a day, and with --prove, the server has to prove that its journal is a continuation\n"
        "of what this handheld saw."),
    ROW("handheld books", "", store_options, ds_cmd_handheld_books, "Books and their progress.",
        ""),
    ROW("handheld list", "", list_options, ds_cmd_handheld_list, "A book in walking order.", ""),
    ROW("handheld show", "", show_options, ds_cmd_handheld_show, "One meter, with its customer.",
        ""),
    ROW("handheld read", "", read_options, ds_cmd_handheld_read, "Record a reading.",
        "Where a rule asks, nothing is recorded (exit 1) until --again, --reason or --photo "
        "answers."),
    ROW("handheld visit", "", visit_options, ds_cmd_handheld_visit, "Record a visit.", ""),
    ROW("handheld status", "", store_options, ds_cmd_handheld_status,
        "What was sent, and the server's signed word for it.", ""),
    ROW("handheld log", "", log_options, ds_cmd_handheld_log, "What became of each op.", ""),
    ROW("handheld scrub", "", store_options, ds_cmd_handheld_scrub,
        "Read and authenticate every stored value.",
        "Damage is named by page, or by table and key: exit 4. What was pulled is fetched anew."),
    ROW("simulate", "", simulate_options, ds_cmd_simulate,
        "Handhelds of the real SDK against a running server.", ""),
    ROW("scenario decide", "", decide_options, ds_cmd_scenario_decide,
        "The scripted supervisor of a scenario, over the REST API.", ""),
    ROW("scenario check", "DIR", check_options, ds_cmd_scenario_check,
        "Compare a station with the truth of a scenario.", "A broken invariant: exit 4."),
};

const struct ds_cli_command *ds_commands(size_t *count)
{
    *count = DS_COUNT(commands);
    return commands;
}
