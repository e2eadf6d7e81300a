/* The functions behind the rows of the command table (commands.c), by file.
 *
 * Each runs one command: reads its positions and options, does it, answers, and returns the exit
 * code. What they share is in state.h, cli.h and their own modules. */
#ifndef DS_TOOLS_CLI_COMMANDS_H
#define DS_TOOLS_CLI_COMMANDS_H

#include "tools/cli/cli.h"

/* cmd_station.c */
enum ds_exit ds_cmd_station_init(struct ds_cli *cli);
enum ds_exit ds_cmd_station_proxy(struct ds_cli *cli);
enum ds_exit ds_cmd_station_show(struct ds_cli *cli);

/* cmd_import.c */
enum ds_exit ds_cmd_import(struct ds_cli *cli);

/* cmd_export.c */
enum ds_exit ds_cmd_export(struct ds_cli *cli);

/* cmd_people.c */
enum ds_exit ds_cmd_user_add(struct ds_cli *cli);
enum ds_exit ds_cmd_user_remove(struct ds_cli *cli);
enum ds_exit ds_cmd_user_list(struct ds_cli *cli);
enum ds_exit ds_cmd_user_role_remove(struct ds_cli *cli);

/* cmd_device.c */
enum ds_exit ds_cmd_device_code(struct ds_cli *cli);
enum ds_exit ds_cmd_device_list(struct ds_cli *cli);
enum ds_exit ds_cmd_device_revoke(struct ds_cli *cli);
enum ds_exit ds_cmd_device_state(struct ds_cli *cli);

/* cmd_rule.c */
enum ds_exit ds_cmd_rule_list(struct ds_cli *cli);
enum ds_exit ds_cmd_rule_set(struct ds_cli *cli);

/* cmd_book.c */
enum ds_exit ds_cmd_period_open(struct ds_cli *cli);
enum ds_exit ds_cmd_period_close(struct ds_cli *cli);
enum ds_exit ds_cmd_book_assign(struct ds_cli *cli);

/* cmd_journal.c */
enum ds_exit ds_cmd_journal_verify(struct ds_cli *cli);
enum ds_exit ds_cmd_journal_head(struct ds_cli *cli);
enum ds_exit ds_cmd_rebuild(struct ds_cli *cli);
enum ds_exit ds_cmd_scrub(struct ds_cli *cli);
enum ds_exit ds_cmd_backup(struct ds_cli *cli);
enum ds_exit ds_cmd_restore(struct ds_cli *cli);
enum ds_exit ds_cmd_bundle_export(struct ds_cli *cli);
enum ds_exit ds_cmd_bundle_import(struct ds_cli *cli);

/* cmd_proof.c */
enum ds_exit ds_cmd_journal_prove(struct ds_cli *cli);
enum ds_exit ds_cmd_journal_check(struct ds_cli *cli);

/* cmd_outbox.c */
enum ds_exit ds_cmd_outbox_deliver(struct ds_cli *cli);
enum ds_exit ds_cmd_reconcile(struct ds_cli *cli);

/* cmd_handheld.c, cmd_handheld_read.c */
enum ds_exit ds_cmd_handheld_enrol(struct ds_cli *cli);
enum ds_exit ds_cmd_handheld_sync(struct ds_cli *cli);
enum ds_exit ds_cmd_handheld_books(struct ds_cli *cli);
enum ds_exit ds_cmd_handheld_list(struct ds_cli *cli);
enum ds_exit ds_cmd_handheld_show(struct ds_cli *cli);
enum ds_exit ds_cmd_handheld_status(struct ds_cli *cli);
enum ds_exit ds_cmd_handheld_log(struct ds_cli *cli);
enum ds_exit ds_cmd_handheld_scrub(struct ds_cli *cli);
enum ds_exit ds_cmd_handheld_read(struct ds_cli *cli);
enum ds_exit ds_cmd_handheld_visit(struct ds_cli *cli);

/* cmd_simulate.c, cmd_scenario.c */
enum ds_exit ds_cmd_simulate(struct ds_cli *cli);
enum ds_exit ds_cmd_scenario_decide(struct ds_cli *cli);
enum ds_exit ds_cmd_scenario_check(struct ds_cli *cli);

#endif
