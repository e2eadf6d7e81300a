/* The OpenAPI document and the page of routes, from the route table and the shapes. */
#include "server/call.h"

#include <string.h>

static void put_string(struct ds_builder *out, const char *text)
{
    ds_json_put_string(out, ds_slice_of_text(text));
}

static bool is_media(const char *name)
{
    return strchr(name, '/') != NULL;
}

/* ---- OpenAPI ---- */

static void put_content(struct ds_builder *out, const char *what)
{
    ds_put_text(out, "{");
    if (!is_media(what)) {
        ds_put_text(out, "\"application/json\":{\"schema\":");
        ds_shape_put_type(out, what);
    } else if (strcmp(what, "application/json") == 0) {
        ds_put_text(out, "\"application/json\":{\"schema\":{\"type\":\"object\"}");
    } else {
        put_string(out, what);
        ds_put_text(out, ":{\"schema\":{\"type\":\"string\"}");
    }
    ds_put_text(out, "}}");
}

static void put_parameter(struct ds_builder *out, const char *name, const char *place,
                          const char *type, const char *doc, bool *first)
{
    ds_put_text(out, *first ? "{\"name\":" : ",{\"name\":");
    *first = false;
    put_string(out, name);
    ds_put_text(out, ",\"in\":");
    put_string(out, place);
    ds_put_text(out,
                strcmp(place, "path") == 0 ? ",\"required\":true,\"schema\":" : ",\"schema\":");
    ds_shape_put_type(out, type);
    if (doc[0] != '\0') {
        ds_put_text(out, ",\"description\":");
        put_string(out, doc);
    }
    ds_put_text(out, "}");
}

static void put_parameters(struct ds_builder *out, const struct ds_route *route)
{
    bool first = true;

    ds_put_text(out, ",\"parameters\":[");
    if (strstr(route->path, "{id}") != NULL) {
        put_parameter(out, "id", "path", "id", "", &first);
    }
    for (const struct ds_route_query *at = route->queries; at != NULL && at->name != NULL; at++) {
        put_parameter(out, at->name, "query", at->type, at->doc, &first);
    }
    ds_put_text(out, "]");
}

static void put_roles(struct ds_builder *out, uint16_t roles)
{
    bool first = true;

    for (int64_t role = 1; role <= ds_enum_last(DS_LIST_role); role++) {
        if ((roles >> role & 1) != 0) {
            ds_put_text(out, first ? "\"" : ",\"");
            ds_put_text(out, ds_enum_name(DS_LIST_role, role));
            ds_put_text(out, "\"");
            first = false;
        }
    }
}

static void put_security(struct ds_builder *out, const struct ds_route *route)
{
    if (route->roles == DS_API_PUBLIC) {
        ds_put_text(out, ",\"security\":[]");
        return;
    }
    ds_put_text(out, ",\"security\":[{\"bearer\":[]},{\"cookie\":[],\"token\":[]}]");
    if (route->roles != DS_API_SIGNED_IN) {
        ds_put_text(out, ",\"x-roles\":[");
        put_roles(out, route->roles);
        ds_put_text(out, "]");
    }
}

static void put_operation(struct ds_builder *out, const struct ds_route *route)
{
    char method[8];
    size_t size = strlen(route->method);

    DS_ASSERT(size < sizeof(method));
    for (size_t i = 0; i <= size; i++) {
        char c = route->method[i];

        method[i] = c;
        if (c >= 'A' && c <= 'Z') {
            method[i] = (char)(c - 'A' + 'a');
        }
    }
    put_string(out, method);
    ds_put_text(out, ":{\"operationId\":");
    put_string(out, route->name);
    ds_put_text(out, ",\"summary\":");
    put_string(out, route->doc);
    put_parameters(out, route);
    if (route->takes != NULL) {
        ds_put_text(out, ",\"requestBody\":{\"required\":true,\"content\":");
        put_content(out, route->takes);
        ds_put_text(out, "}");
    }
    put_security(out, route);
    ds_put_text(out, ",\"responses\":{\"200\":{\"description\":\"As asked.\",\"content\":");
    put_content(out, route->gives);
    ds_put_text(out, "},\"default\":{\"description\":\"What went wrong.\",\"content\":"
                     "{\"application/problem+json\":{\"schema\":{\"$ref\":"
                     "\"#/components/schemas/Problem\"}}}}}}");
}

/* Routes of one path stand together in the table's order of first mention. */
static void put_paths(struct ds_builder *out)
{
    size_t count = 0;
    const struct ds_route *routes = ds_routes(&count);
    bool first_path = true;

    for (size_t i = 0; i < count; i++) {
        bool seen = false;

        for (size_t k = 0; k < i; k++) {
            seen = seen || strcmp(routes[k].path, routes[i].path) == 0;
        }
        if (seen) {
            continue;
        }
        ds_put_text(out, first_path ? "" : ",");
        first_path = false;
        put_string(out, routes[i].path);
        ds_put_text(out, ":{");
        bool first = true;

        for (size_t k = i; k < count; k++) {
            if (strcmp(routes[k].path, routes[i].path) == 0) {
                ds_put_text(out, first ? "" : ",");
                first = false;
                put_operation(out, &routes[k]);
            }
        }
        ds_put_text(out, "}");
    }
}

static void put_schemas(struct ds_builder *out)
{
    size_t count = 0;
    const struct ds_record_type *types = ds_record_types(&count);
    bool first = true;

    for (size_t i = 0; i < ds_shape_count(); i++) {
        const struct ds_shape shape = ds_shape_at(i);

        ds_json_put_name(out, shape.name, &first);
        ds_shape_put_schema(out, &shape);
    }
    for (size_t i = 0; i < count; i++) {
        char name[DS_SHAPE_NAME_MAX];
        struct ds_shape shape;

        ds_shape_record_name(types[i].name, name);
        if (ds_shape_find(name, &shape) && shape.member_count == 0) {
            ds_json_put_name(out, name, &first);
            ds_shape_put_schema(out, &shape);
        }
    }
}

void ds_openapi_put(struct ds_builder *out)
{
    ds_put_text(out, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Doorstep\",\"version\":");
    put_string(out, DS_VERSION);
    ds_put_text(out,
                ",\"description\":\"Field work of a city gas utility: the office's side. Money is "
                "in fen, volume in litres, positions in 1e-7 degree WGS-84, instants in Unix "
                "milliseconds UTC. A member that is null was cleared; one that is absent was "
                "never there.\",\"license\":{\"name\":\"Apache-2.0\",\"identifier\":"
                "\"Apache-2.0\"}},\"paths\":{");
    put_paths(out);
    ds_put_text(out, "},\"components\":{\"securitySchemes\":{"
                     "\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"},"
                     "\"cookie\":{\"type\":\"apiKey\",\"in\":\"cookie\",\"name\":\"" DS_API_COOKIE
                     "\"},\"token\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":"
                     "\"" DS_API_TOKEN_HEADER "\"}},\"schemas\":{");
    put_schemas(out);
    ds_put_text(out, "}}}");
}

/* ---- API.md ---- */

static void put_roles_text(struct ds_builder *out, uint16_t roles)
{
    bool first = true;

    if (roles == DS_API_PUBLIC || roles == DS_API_SIGNED_IN) {
        ds_put_text(out, roles == DS_API_PUBLIC ? "anybody" : "signed in");
        return;
    }
    for (int64_t role = 1; role <= ds_enum_last(DS_LIST_role); role++) {
        if ((roles >> role & 1) != 0) {
            ds_put_text(out, first ? "" : ", ");
            ds_put_text(out, ds_enum_name(DS_LIST_role, role));
            first = false;
        }
    }
}

static void put_route_row(struct ds_builder *out, const struct ds_route *route)
{
    ds_put_text(out, "| `");
    ds_put_text(out, route->method);
    ds_put_text(out, " ");
    ds_put_text(out, route->path);
    ds_put_text(out, "` | ");
    ds_put_text(out, route->doc);
    for (const struct ds_route_query *at = route->queries; at != NULL && at->name != NULL; at++) {
        ds_put_text(out, at == route->queries ? " Query: `" : ", `");
        ds_put_text(out, at->name);
        ds_put_text(out, "`");
    }
    ds_put_text(out, route->queries != NULL ? ". | " : " | ");
    put_roles_text(out, route->roles);
    ds_put_text(out, " | ");
    ds_put_text(out, route->takes != NULL ? route->takes : "nothing");
    ds_put_text(out, " | ");
    ds_put_text(out, route->gives);
    ds_put_text(out, " |\n");
}

static void put_shape_rows(struct ds_builder *out)
{
    for (size_t i = 0; i < ds_shape_count(); i++) {
        const struct ds_shape shape = ds_shape_at(i);

        ds_put_text(out, "\n### ");
        ds_put_text(out, shape.name);
        ds_put_text(out, "\n\n");
        ds_put_text(out, shape.doc);
        if (shape.base != NULL) {
            ds_put_text(out, " The fields of record `");
            ds_put_text(out, shape.base->name);
            ds_put_text(out, "` with its `id`, and:");
        }
        ds_put_text(out, "\n\n| member | type | meaning |\n| --- | --- | --- |\n");
        for (size_t k = 0; k < shape.member_count; k++) {
            ds_put_text(out, "| `");
            ds_put_text(out, shape.members[k].name);
            ds_put_text(out, "` | ");
            ds_put_text(out, shape.members[k].type);
            ds_put_text(out, " | ");
            ds_put_text(out, shape.members[k].doc);
            ds_put_text(out, " |\n");
        }
    }
}

void ds_api_put_reference(struct ds_builder *out)
{
    size_t count = 0;
    const struct ds_route *routes = ds_routes(&count);

    ds_put_text(
        out,
        "# The API\n\n"
        "Generated by `ds-gen-api` from `server/route_table.c` and `server/shapes.def`; do not "
        "edit. The same as OpenAPI 3.1: `server/openapi.json`, and `GET /api/v1/openapi.json` of "
        "a running server.\n\n"
        "- **Sessions**: `POST /api/v1/login` gives `session`, which goes into `Authorization: "
        "Bearer`. Browsers have it as the cookie `" DS_API_COOKIE "`; requests that change "
        "something then carry `" DS_API_TOKEN_HEADER "` with the `token` of the login.\n"
        "- **Roles** are the worker's role grants at the station, read anew at each request.\n"
        "- **Errors** are `application/problem+json` with the error's name as `code`; 429, "
        "503 and 507 may be tried again, 429 and 503 say when (`Retry-After`). 429: too many "
        "logins.\n"
        "- **Pages**: what `next` gives goes into `after=`; no `next`: the end.\n"
        "- **Numbers**: fen, litres, 1e-7 degree, Unix milliseconds UTC; periods are YYYYMM. "
        "null: cleared; absent: never there.\n"
        "- **Personal fields** are there in clear for dispatcher, supervisor, clerk, cashier and "
        "admin; for others they are absent.\n\n"
        "## Routes\n\n| route | what | who | takes | gives |\n| --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < count; i++) {
        put_route_row(out, &routes[i]);
    }
    ds_put_text(out, "\n## Shapes\n\nRecords (`Meter`, `Slot`, ...) are those of "
                     "`schema/FIELDS.md` with an `id`; all their fields may be absent. A question "
                     "mark: may be absent.\n");
    put_shape_rows(out);
}
