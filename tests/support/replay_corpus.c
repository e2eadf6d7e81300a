/* Runs a libFuzzer target over the files of one directory, without libFuzzer.
 *
 * Every file is handed over in a heap block of exactly its size, so that the address sanitizer
 * sees a read of one byte too many. An empty or missing corpus is a failure, never a pass. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUT_SIZE_MAX = 1 << 20, PATH_SIZE_MAX = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t input[INPUT_SIZE_MAX + 1];

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    size_t size = fread(input, 1, sizeof(input), file);
    int broken = ferror(file);
    (void)fclose(file);
    if (broken != 0 || size > INPUT_SIZE_MAX) {
        (void)fprintf(stderr, "%s: unreadable or above %d bytes\n", path, (int)INPUT_SIZE_MAX);
        return 1;
    }
    uint8_t *exact = malloc(size == 0 ? 1 : size);
    if (exact == NULL) {
        return 1;
    }
    for (size_t i = 0; i < size; i++) {
        exact[i] = input[i];
    }
    int result = LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    if (result != 0) {
        (void)fprintf(stderr, "%s: the target returned %d\n", path, result);
    }
    return result != 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s CORPUS_DIRECTORY\n", argv[0]);
        return 2;
    }
    DIR *dir = opendir(argv[1]);
    if (dir == NULL) {
        perror(argv[1]);
        return 1;
    }
    unsigned runs = 0;
    unsigned failed = 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[PATH_SIZE_MAX];
        if (entry->d_name[0] == '.') {
            continue;
        }
        int length = snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        if (length <= 0 || (size_t)length >= sizeof(path) || run_file(path) != 0) {
            failed++;
        }
        runs++;
    }
    (void)closedir(dir);
    printf("%u inputs of %s, %u failed\n", runs, argv[1], failed);
    return runs > 0 && failed == 0 ? 0 : 1;
}
