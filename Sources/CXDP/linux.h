/* Linux calls that Swift's Glibc module leaves out, since it is compiled without _GNU_SOURCE (same functions, same
 * layouts), and constants of Linux. */
#pragma once

#include <linux/if_packet.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

/* Not in every libc's <sched.h>, <sys/socket.h> and <netinet/udp.h>. */
enum linux_constant {
	LINUX_CLONE_NEWNET = 0x40000000,
	LINUX_SOL_XDP = 283,
	LINUX_UDP_SEGMENT = 103,
};

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
int linux_pthread_getaffinity(pthread_t thread, size_t size, void *cpus) __asm__("pthread_getaffinity_np");
int linux_setns(int descriptor, int kind) __asm__("setns");
