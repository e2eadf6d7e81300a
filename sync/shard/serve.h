/* The server's half of an exchange, in three steps so that checking and reading run on many
 * threads and only the middle one on the writer.
 *
 * open: envelope, device, tag, parse, signatures. commit: ds_shard_commit() of the submissions
 * (the caller's writer thread does it, grouped with others'). answer: scopes, pages, receipts. */
#ifndef DS_SYNC_SHARD_SERVE_H
#define DS_SYNC_SHARD_SERVE_H

#include "sync/shard/envelope.h"
#include "sync/shard/shard.h"

#define DS_SERVE_ARENA_SIZE (12 * 1024 * 1024) /* One request's memory, reused by its thread. */

struct ds_serve {
    struct ds_shard *shard;
    struct ds_arena arena;
    struct ds_id device;
    uint64_t counter;
    struct ds_link_keys keys;
    struct ds_request request;
    struct ds_submission *submissions; /* Own batches, then relayed ones; in the arena. */
    struct ds_submission **to_commit;  /* Those that passed the checks. */
    size_t submission_count;
    size_t to_commit_count;
    enum ds_err *errors; /* Per submission. */
};
/* memory: DS_SERVE_ARENA_SIZE bytes that outlive the serve. DS_ERR_AUTH, _DECODE, _SIGNATURE,
 * _LIMIT: answer the HTTP error with an empty body. DS_ERR_EPOCH: the device showed a valid head of
 * ours that is larger than our journal: nothing is taken, 503 until restore is declared. */
DS_NODISCARD enum ds_err ds_serve_open(struct ds_serve *serve, struct ds_shard *shard,
                                       struct ds_envelope_codec *codec, struct ds_slice body,
                                       void *memory, struct ds_detail *detail);
/* Customer keys that the handheld made are taken before its batches. Writer thread. */
DS_NODISCARD enum ds_err ds_serve_take_keys(struct ds_serve *serve);
/* Build the sealed answer into out. Any thread. DS_ERR_EPOCH: the device showed a valid head of
 * ours that is larger than our journal: answer 503 until restore is declared. */
DS_NODISCARD enum ds_err ds_serve_answer(struct ds_serve *serve, struct ds_envelope_codec *codec,
                                         struct ds_builder *out, struct ds_detail *detail);
/* All three steps for a caller that is its own writer (CLI, simulation). */
DS_NODISCARD enum ds_err ds_serve_whole(struct ds_shard *shard, struct ds_envelope_codec *codec,
                                        struct ds_slice body, void *memory, struct ds_builder *out,
                                        struct ds_detail *detail);

#endif
