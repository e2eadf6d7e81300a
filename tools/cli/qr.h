/* An enrolment code as a QR symbol: a PNG file, or blocks on a terminal.
 *
 * The only file of the tools that includes <qrencode.h>; the PNG (stored, one bit a module times
 * eight, RFC 1950 and 2083) is written here, for it needs no compression. */
#ifndef DS_TOOLS_CLI_QR_H
#define DS_TOOLS_CLI_QR_H

#include "schema/base/bytes.h"

#include <stdio.h>

#define DS_QR_TEXT_MAX 1200 /* Bytes of a code: version 40 of level M holds more. */
#define DS_QR_SCALE 8       /* Pixels a module. */
#define DS_QR_BORDER 4      /* Modules of quiet zone. */

/* DS_ERR_LIMIT, DS_ERR_IO. */
DS_NODISCARD enum ds_err ds_qr_png(const char *text, const char *path, struct ds_detail *detail);
/* Two modules a character, by half blocks. */
DS_NODISCARD enum ds_err ds_qr_text(const char *text, FILE *to, struct ds_detail *detail);

#endif
