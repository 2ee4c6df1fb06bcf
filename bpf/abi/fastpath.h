/* The contract between the kernel side (bpf/) and the worker (Sources/FastPath): both compile this file.
 *
 * Fixed-width fields, no hidden padding. Fields marked "network order" hold octets as they are in packets. */
#pragma once

#include <linux/types.h>

/* Largest number of entries. A transport takes one entry in `fp_transports` and each of its sources one in
 * `fp_sources`. */
enum fp_limit {
	FP_MAX_TRANSPORTS = 16384,
	FP_MAX_SOURCES = 65536,
	FP_MAX_LOCAL_ADDRESSES = 1024,
	FP_MAX_INTERFACES = 32,
	FP_MAX_QUEUES = 64, /* per interface */
	FP_MAX_XSKS = FP_MAX_INTERFACES * FP_MAX_QUEUES,
	/* Longest Ethernet frame that fits a chunk of packet memory after the kernel's headroom of 256. */
	FP_MAX_FRAME = 1792,
};

/* An IPv4 address is stored as ::ffff:a.b.c.d, so that one table serves both families. */
struct fp_address {
	__u8 bytes[16]; /* network order */
};

/* A UDP flow, seen from here. */
struct fp_tuple {
	struct fp_address remote;
	struct fp_address local;
	__u16 remote_port; /* network order */
	__u16 local_port;  /* network order */
};

/* Key of `fp_sources`: one RTP stream of a transport. */
struct fp_source_key {
	struct fp_tuple tuple;
	__u32 ssrc; /* network order */
};

/* What becomes of a source's packets. 0 is no action, so that an entry of zeros does nothing. */
enum fp_action {
	FP_ACTION_PASS = 1, /* to the UDP socket */
	FP_ACTION_XSK = 2,  /* to the AF_XDP socket of the receive queue */
};

/* Value of `fp_sources`. */
struct fp_source {
	__u32 action; /* enum fp_action */
};

/* Value of `fp_transports`. */
struct fp_transport {
	__u32 id; /* TransportID, for people who dump the map */
};

/* Value of `fp_interfaces`, by interface index: where its queues' sockets are in `fp_xsks`. */
struct fp_interface {
	__u32 first_xsk;
	__u32 queues;
};

/* The one entry of `fp_settings`. */
struct fp_settings {
	/* Not 0 while some transport has no entry because the table is full: then strangers cannot be told from it. */
	__u32 pass_unknown_senders;
};

/* Every way out of the XDP program: X(name, XDP action, what it means). The counters in `fp_verdicts` are in this
 * order. */
#define FP_VERDICTS(X)                                                                            \
	X(pass_not_ip, PASS, "neither IPv4 nor IPv6")                                             \
	X(pass_not_udp, PASS, "another transport protocol, or behind an IPv6 extension header")   \
	X(pass_truncated, PASS, "the headers contradict the frame's length")                      \
	X(pass_options, PASS, "IPv4 with options")                                                \
	X(pass_fragment, PASS, "a fragment")                                                      \
	X(pass_other_port, PASS, "UDP to a port that is not ours")                                \
	X(pass_not_local, PASS, "to our port of another host")                                    \
	X(pass_stun, PASS, "first byte 0 to 3 (RFC 7983)")                                        \
	X(pass_dtls, PASS, "first byte 20 to 63 (RFC 7983)")                                      \
	X(pass_rtcp, PASS, "RTCP (RFC 5761)")                                                     \
	X(pass_unknown_protocol, PASS, "none of the protocols of RFC 7983, or too short for RTP") \
	X(pass_unknown_ssrc, PASS, "RTP of a known transport, of an SSRC without a source")       \
	X(pass_source, PASS, "RTP of a source that the UDP socket is to get")                     \
	X(pass_no_xsk, PASS, "RTP of a source, on a receive queue without AF_XDP socket")         \
	X(pass_oversize, PASS, "RTP of a source, larger than a frame of packet memory")           \
	X(pass_unknown_sender, PASS,                                                              \
	  "RTP from a 5-tuple that no transport has, while the table of transports is full")      \
	X(drop_unknown_sender, DROP, "RTP from a 5-tuple that no transport has")                  \
	X(redirect_xsk, REDIRECT, "RTP of a source, to the worker")

enum fp_verdict {
#define FP_VERDICT(name, action, meaning) FP_VERDICT_##name,
	FP_VERDICTS(FP_VERDICT)
#undef FP_VERDICT
	    FP_VERDICT_COUNT
};

_Static_assert(sizeof(struct fp_address) == 16, "no padding");
_Static_assert(sizeof(struct fp_tuple) == 36, "no padding");
_Static_assert(sizeof(struct fp_source_key) == 40, "no padding");
_Static_assert(sizeof(struct fp_source) == 4, "no padding");
_Static_assert(sizeof(struct fp_transport) == 4, "no padding");
_Static_assert(sizeof(struct fp_settings) == 4, "no padding");
_Static_assert(sizeof(struct fp_interface) == 8, "no padding");

#ifndef __bpf__
/* The name of a verdict's counter, e.g. "xdp_pass_stun"; NULL past the end. */
static inline const char *fp_verdict_name(unsigned int verdict)
{
	static const char *const names[] = {
#define FP_VERDICT(name, action, meaning) "xdp_" #name,
		FP_VERDICTS(FP_VERDICT)
#undef FP_VERDICT
	};
	return verdict < FP_VERDICT_COUNT ? names[verdict] : (const char *)0;
}

/* What a verdict means, for people; NULL past the end. */
static inline const char *fp_verdict_meaning(unsigned int verdict)
{
	static const char *const meanings[] = {
#define FP_VERDICT(name, action, meaning) meaning,
		FP_VERDICTS(FP_VERDICT)
#undef FP_VERDICT
	};
	return verdict < FP_VERDICT_COUNT ? meanings[verdict] : (const char *)0;
}
#endif
