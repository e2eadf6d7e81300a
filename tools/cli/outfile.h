/* Files that the command line writes for people: names, phones and addresses may stand in them, so
 * only their owner may read them. */
#ifndef DS_TOOLS_CLI_OUTFILE_H
#define DS_TOOLS_CLI_OUTFILE_H

#include <stdio.h>

/* Made or emptied, mode 0600 whatever it was before; NULL with errno. Yours: fclose(). */
FILE *ds_outfile_open(const char *path);

#endif
