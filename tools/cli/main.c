/* The program `doorstep`: hands its arguments to the table of commands. */
#include "tools/cli/cli.h"

extern char **environ;

int main(int argc, char *argv[])
{
    struct ds_cli cli = {.out = stdout, .err = stderr, .environment = environ};
    cli.commands = ds_commands(&cli.command_count);
    return (int)ds_cli_main(&cli, argc, argv);
}
