#include "tools/cli/outfile.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

FILE *ds_outfile_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return NULL;
    }
    struct stat about;
    /* A pipe or a device keeps its own mode. */
    bool file = fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
    FILE *made = !file || fchmod(fd, 0600) == 0 ? fdopen(fd, "wb") : NULL;
    if (made == NULL) {
        (void)close(fd);
    }
    return made;
}
