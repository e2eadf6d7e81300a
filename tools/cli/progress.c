#include "tools/cli/progress.h"

#include <unistd.h>

#define BAR_WIDTH 40

void ds_progress_begin(struct ds_progress_bar *bar, FILE *to, const char *what)
{
    int fd = to != NULL ? fileno(to) : -1;
    *bar = (struct ds_progress_bar){.what = what, .percent = -1};
    if (fd >= 0 && isatty(fd) == 1) {
        bar->to = to;
    }
}

void ds_progress_step(struct ds_progress_bar *bar, uint64_t done, uint64_t total)
{
    static const char full[] = "########################################";
    static const char empty[] = "........................................";
    if (bar->to == NULL) {
        return;
    }
    int percent = total == 0 || done >= total ? 100 : (int)(done * 100 / total);
    if (percent == bar->percent) {
        return;
    }
    bar->percent = percent;
    int filled = percent * BAR_WIDTH / 100;
    fprintf(bar->to, "\r%s [%.*s%.*s] %3d %%", bar->what, filled, full, BAR_WIDTH - filled, empty,
            percent);
    fflush(bar->to);
}

void ds_progress_end(struct ds_progress_bar *bar)
{
    if (bar->to != NULL) {
        fputs("\r\033[K", bar->to);
        fflush(bar->to);
        bar->to = NULL;
    }
}
