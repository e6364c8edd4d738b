/* Notes every address that a process connects or sends to, and every name that it looks up: one
 * line each, into the file that AGENTADMIT_GUARD names. Loaded with LD_PRELOAD. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void note(const char *what, const char *address, int port) {
    const char *path = getenv("AGENTADMIT_GUARD");
    char line[512];
    int length = snprintf(line, sizeof line, "%s %s %d\n", what, address, port);
    int file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    if (file >= 0) {
        if (write(file, line, (size_t)length) != length) abort();
        close(file);
    }
}

static void note_address(const char *what, const struct sockaddr *address) {
    char text[INET6_ADDRSTRLEN];
    if (address == NULL) return;
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        note(what, inet_ntop(AF_INET, &in->sin_addr, text, sizeof text), ntohs(in->sin_port));
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)address;
        note(what, inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text), ntohs(in->sin6_port));
    }
}

int connect(int socket, const struct sockaddr *address, socklen_t length) {
    int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    note_address("connect", address);
    return real(socket, address, length);
}

ssize_t sendto(int socket, const void *bytes, size_t size, int flags,
               const struct sockaddr *address, socklen_t length) {
    ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) =
        dlsym(RTLD_NEXT, "sendto");
    note_address("sendto", address);
    return real(socket, bytes, size, flags, address, length);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");
    note("getaddrinfo", name ? name : "-", 0);
    return real(name, service, hints, found);
}
