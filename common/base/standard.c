/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/standard.h"

#include <fcntl.h>
#include <unistd.h>

bool standard_files_open(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return false;
    return true;
}
