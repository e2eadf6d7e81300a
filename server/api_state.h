/* The inside of a struct ds_api: what the API's handlers share. Private to server/.
 *
 * Compression contexts are made when they are first needed and used again; at most as many as there
 * are worker threads are ever out at once. */
#ifndef DS_SERVER_API_STATE_H
#define DS_SERVER_API_STATE_H

#include "server/api.h"
#include "sync/shard/envelope.h"

#include <pthread.h>

#define DS_API_CODECS_MAX 512 /* As server.workers at most. */

struct ds_api {
    struct ds_api_options options;
    pthread_mutex_t lock; /* What follows. */
    struct ds_envelope_codec codecs[DS_API_CODECS_MAX];
    size_t codec_count; /* Free ones. */
};

#endif
