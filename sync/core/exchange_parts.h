/* What requests and responses have in common: lists in an arena, lanes, cursors, wrapped keys.
 *
 * Each take function reads the value of the map's present key and fails the reader; each put
 * function writes a value without its key. Private to sync/core. */
#ifndef DS_SYNC_CORE_EXCHANGE_PARTS_H
#define DS_SYNC_CORE_EXCHANGE_PARTS_H

#include "sync/core/exchange.h"
#include "sync/core/reader.h"

enum ds_lane_form { DS_LANE_SEALED = 4, DS_LANE_HELD = 5 }; /* Items of a lane's array. */

/* Room for count items of size bytes; NULL if count is 0 or, with a failed reader, if the arena is
 * full. */
void *ds_exchange_list(struct ds_reader *reader, struct ds_arena *arena, size_t count, size_t size);
struct ds_incarnation ds_exchange_take_incarnation(struct ds_reader *reader);
void ds_exchange_put_incarnation(struct ds_builder *builder,
                                 const struct ds_incarnation *incarnation);
/* An array of bin, each 1..max bytes. */
struct ds_slice *ds_exchange_take_bins(struct ds_reader *reader, struct ds_arena *arena,
                                       uint32_t max_count, size_t max_size, size_t *count);
void ds_exchange_put_bins(struct ds_builder *builder, const struct ds_slice *bins, size_t count);
/* lanes has room for DS_LANES_MAX. */
size_t ds_exchange_take_lanes(struct ds_reader *reader, enum ds_lane_form form,
                              struct ds_lane_state *lanes);
void ds_exchange_put_lanes(struct ds_builder *builder, enum ds_lane_form form,
                           const struct ds_lane_state *lanes, size_t count);
struct ds_wrapped_key *ds_exchange_take_keys(struct ds_reader *reader, struct ds_arena *arena,
                                             size_t *count);
void ds_exchange_put_keys(struct ds_builder *builder, const struct ds_wrapped_key *keys,
                          size_t count);
/* Arrays of hashes, one per proof. */
struct ds_proof *ds_exchange_take_proofs(struct ds_reader *reader, struct ds_arena *arena,
                                         size_t *count);
void ds_exchange_put_proofs(struct ds_builder *builder, const struct ds_proof *proofs,
                            size_t count);
/* Kind, key, view inside an array; and with position, ordinal, phase behind them. */
struct ds_scope ds_exchange_take_scope(struct ds_reader *reader);
void ds_exchange_put_scope(struct ds_builder *builder, const struct ds_scope *scope);
struct ds_cursor_at ds_exchange_take_cursor(struct ds_reader *reader);
void ds_exchange_put_cursor(struct ds_builder *builder, const struct ds_cursor_at *cursor);
/* A lease; an order's bytes with its signature. */
struct ds_lease ds_exchange_take_lease(struct ds_reader *reader);
void ds_exchange_put_lease(struct ds_builder *builder, const struct ds_lease *lease);
struct ds_slice ds_exchange_take_order(struct ds_reader *reader, const uint8_t **signature);
void ds_exchange_put_order(struct ds_builder *builder, struct ds_slice order,
                           const uint8_t *signature);
/* A map's head; has[key] says which keys will follow. */
void ds_exchange_put_map(struct ds_builder *builder, const bool *has, size_t count);
/* The outcome of a whole message: no byte may stand behind its map. */
DS_NODISCARD enum ds_err ds_exchange_end(struct ds_reader *reader, uint64_t required);

#endif
