/* The program's version, as --version, /healthz and the admin socket tell it. */
#ifndef DS_SERVER_VERSION_H
#define DS_SERVER_VERSION_H

#define DS_VERSION "0.1.0"

#endif
