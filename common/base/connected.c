/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/connected.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int connected_error(int fd)
{
    struct sockaddr_storage here = {0}, there = {0};
    socklen_t here_len = sizeof here, there_len = sizeof there, len = sizeof(int);
    int error = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return errno;
    if (error)
        return error;
    if (getsockname(fd, (struct sockaddr *)&here, &here_len) == 0 &&
        getpeername(fd, (struct sockaddr *)&there, &there_len) == 0 && here.ss_family != AF_UNIX &&
        here_len == there_len && memcmp(&here, &there, here_len) == 0)
        return ECONNREFUSED;
    return 0;
}
