/* The REST API from the command line: log in once, then JSON in and out.
 *
 * Errors of the API (problem+json) come back as the error they name, with its detail. The only file
 * of the tools that includes <curl/curl.h>. One thread at a time. */
#ifndef DS_TOOLS_CLI_REST_H
#define DS_TOOLS_CLI_REST_H

#include "schema/base/base.h"

#include <jansson.h>

#define DS_REST_ANSWER_MAX (16 * 1024 * 1024) /* Bytes of an answer. */
#define DS_REST_TIMEOUT_S 60
#define DS_REST_PATH_MAX 512

struct ds_rest;

/* base: "http://127.0.0.1:8420". *rest is yours. */
DS_NODISCARD enum ds_err ds_rest_open(const char *base, struct ds_rest **rest,
                                      struct ds_detail *detail);
void ds_rest_close(struct ds_rest *rest); /* NULL is allowed. */

/* Begin a session; later calls carry it. DS_ERR_AUTH, DS_ERR_UNREACHABLE. */
DS_NODISCARD enum ds_err ds_rest_login(struct ds_rest *rest, const char *user, const char *password,
                                       struct ds_detail *detail);
/* body NULL: GET, else POST (borrowed). *answer is yours on DS_OK; NULL if it has no body. */
DS_NODISCARD enum ds_err ds_rest_call(struct ds_rest *rest, const char *path, const json_t *body,
                                      json_t **answer, struct ds_detail *detail);

#endif
