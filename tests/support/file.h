/* Whole files for tests, below DS_SRC (the tree) or the working directory.
 *
 * A test says what it reads relative to the tree's root; a missing file is a failed test. Memory is
 * malloc'd and the caller's. Header only. */
#ifndef DS_TESTS_SUPPORT_FILE_H
#define DS_TESTS_SUPPORT_FILE_H

#include "schema/base/base.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

/* The path of a file of the tree; memory has 512 bytes. */
static inline const char *source_path(const char *relative, char memory[static 512])
{
    const char *root = getenv("DS_SRC");
    int size = snprintf(memory, 512, "%s/%s", root == NULL ? "." : root, relative);
    assert_in_range(size, 1, 511);
    return memory;
}

/* The bytes of a file, exactly as many as it has; free((void *)slice.data). */
static inline struct ds_slice read_source(const char *relative)
{
    char path[512];
    FILE *file = fopen(source_path(relative, path), "rb");
    if (file == NULL) {
        fail_msg("%s cannot be opened", path);
    }
    size_t room = 4096;
    size_t size = 0;
    uint8_t *bytes = malloc(room);
    for (;;) {
        assert_non_null(bytes);
        size += fread(bytes + size, 1, room - size, file);
        if (size < room) {
            break;
        }
        room *= 2;
        bytes = realloc(bytes, room);
    }
    assert_int_equal(ferror(file), 0);
    (void)fclose(file);
    /* Shrunk, so that a sanitizer sees a read behind the end. */
    uint8_t *exact = realloc(bytes, size == 0 ? 1 : size);
    return (struct ds_slice){exact == NULL ? bytes : exact, size};
}

#endif
