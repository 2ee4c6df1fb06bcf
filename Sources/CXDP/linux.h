/* Linux calls that Swift's Glibc module leaves out, since it is compiled without _GNU_SOURCE. Same functions, same layouts. */
#pragma once

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

/* struct mmsghdr */
struct linux_mmsghdr {
	struct msghdr msg_hdr;
	unsigned int msg_len;
};

int linux_recvmmsg(int socket, struct linux_mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout)
	__asm__("recvmmsg");
int linux_sendmmsg(int socket, struct linux_mmsghdr *messages, unsigned int count, int flags) __asm__("sendmmsg");
int linux_pthread_setname(pthread_t thread, const char *name) __asm__("pthread_setname_np");
int linux_pthread_setaffinity(pthread_t thread, size_t size, const void *cpus) __asm__("pthread_setaffinity_np");
int linux_setns(int descriptor, int kind) __asm__("setns");
