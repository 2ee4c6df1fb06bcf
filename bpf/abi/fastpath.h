/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
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
	FP_MAX_CHECKS = 32768, /* 5-tuples that STUN came from lately */
	FP_MAX_LOCAL_ADDRESSES = 1024,
	FP_MAX_INTERFACES = 32,
	FP_MAX_QUEUES = 64, /* per interface */
	FP_MAX_XSKS = FP_MAX_INTERFACES * FP_MAX_QUEUES,
	FP_MAX_ROUTED_SOURCES = 4096, /* sources with counters of their own: in the kernel lane, or with a rate limit */
	FP_MAX_SINKS = 32768,         /* entries of `fp_sinks`: a route takes one per sink, twice while it changes */
	FP_MAX_FANOUT = 1024,         /* sinks of one source in the kernel lane */
	FP_MAX_BROADCASTS = FP_MAX_INTERFACES * 128,
	FP_MAX_TRACES = 16,         /* sources traced at once */
	FP_TRACE_RING = 256 * 1024, /* octets of events that wait for the worker */
	FP_FRAME_SIZE = 2048,       /* a chunk of packet memory */
	FP_PACKET_FRAMES = 32768,   /* chunks; as much memory is locked for each interface */
	/* Longest Ethernet frame that fits a chunk after the kernel's headroom of 256. */
	FP_MAX_FRAME = FP_FRAME_SIZE - 256,
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
	FP_ACTION_XDP = 3,  /* to the sinks, by the XDP program */
	FP_ACTION_TC = 4,   /* to the sinks, by the TC program */
};

/* Value of `fp_sources`. The entry is replaced as a whole and its range of sinks is never written while in use, so
 * that a packet sees one state of the route. */
struct fp_source {
	__u32 action; /* enum fp_action */
	__u32 state;  /* index in `fp_source_states`; FP_NO_STATE: none */
	__u32 first_sink;
	__u32 sink_count;
	__u32 interface;  /* index of the one by which every sink leaves (FP_ACTION_XDP) */
	__u32 broadcast;  /* entries of the devmap that makes the copies: sink_count or a little more */
	__u32 clock_rate; /* of the RTP timestamp, in Hz */
	__u16 trace;      /* its place in `fp_traces`, and one more; 0: nobody looks */
	__u16 reserved;
	/* Rate limit, 0 for none: nanoseconds that a packet, and 1024 octets of RTP, take. */
	__u64 packet_interval;
	__u64 kilobyte_interval;
};

#define FP_NO_STATE 0xffffffffu

/* How far a source may run ahead of its rate, in nanoseconds. */
#define FP_BURST 250000000ull

/* Value of `fp_source_states`: what is counted of a source, by its receive queue's processor. */
struct fp_source_state {
	__u64 packets;
	__u64 bytes;        /* RTP */
	__u64 limited;      /* packets beyond the rate */
	__u64 last_arrival; /* CLOCK_MONOTONIC, nanoseconds */
	/* When the packets, and the octets, so far would have arrived at the limit's pace. */
	__u64 packets_until;
	__u64 bytes_until;
	/* Extended by rollovers (RFC 3550 appendix A.1), beginning with one. */
	__u32 first_sequence;
	__u32 highest_sequence;
	/* RFC 3550 appendix A.8. */
	__u32 jitter; /* scaled by 16 */
	__u32 transit;
	__u32 has_started;
	__u32 has_transit;
	/* After a packet that was old: 0x10000 and the sequence number that would show a restart. */
	__u32 restart_sequence;
	__u32 skipped; /* sequence numbers left out by restarts */
};

/* RFC 3550 appendix A.1: what is less behind may only be late. */
#define FP_MAX_MISORDER 100

/* Value of `fp_sinks`: what a copy is made into. */
struct fp_sink {
	__u8 destination[6];
	__u8 source[6];
	__u32 interface;
	__u32 counters; /* index in `fp_sink_counters` */
	struct fp_tuple tuple;
	__u32 ssrc; /* network order */
	__u32 timestamp_offset;
	__u16 sequence_offset;
	__u8 hop_limit; /* at most this time to live */
	__u8 reserved;
	/* One's-complement sum, in memory order, of addresses, ports and protocol, not folded. */
	__u32 sum;
	__u8 payload_types[128]; /* FP_UNMAPPED: not copied */
};

#define FP_UNMAPPED 0xff

/* Value of `fp_sink_counters`. */
struct fp_sink_counters {
	__u64 packets;
	__u64 bytes; /* RTP */
	__u64 payload_octets;
	__u64 first_sent; /* CLOCK_MONOTONIC, nanoseconds; 0: nothing was sent */
	__u64 last_sent;  /* to some milliseconds */
};

/* Value of `fp_overflows`: copies that XDP made for an interface. */
struct fp_overflow {
	__u64 made;
	__u64 lost; /* of them: the interface had no room */
};

/* Value of `fp_traces`: how a source is looked at. One processor receives a flow, so that one writes. */
struct fp_trace {
	__u32 source; /* SourceID */
	__u32 every;  /* one packet of so many is told of; 0: none */
	__u64 packets;
	/* When the events so far would have been told at the pace of one per FP_TRACE_INTERVAL. */
	__u64 until;
	__u64 missed; /* events beyond that pace, or without room in the ring */
	/* Of the packet on its way through the program: it may be another's copy at the end. */
	__u32 first_sink;
	__u32 sink_count;
	__u32 timestamp;
	__u16 sequence;
	__u8 second;     /* octet of RTP */
	__u8 is_sampled; /* 0 or 1 */
};

/* Nanoseconds that an event of a trace takes, and how far a trace may run ahead of that pace. */
#define FP_TRACE_INTERVAL 1000000ull
#define FP_TRACE_BURST    100000000ull

enum fp_program {
	FP_PROGRAM_XDP = 1,
	FP_PROGRAM_TC = 2,
};

/* What is in the ring `fp_trace_events`: a packet of a traced source as it came, and what became of it. */
struct fp_trace_event {
	__u64 time; /* CLOCK_MONOTONIC, nanoseconds */
	struct fp_source_key key;
	__u32 source;     /* SourceID */
	__u32 interface;  /* by which it came */
	__u32 first_sink; /* of its route in the kernel, as the program saw it */
	__u32 sink_count; /* 0: the source is the worker's */
	__u32 timestamp;
	__u16 sequence;
	__u16 length; /* RTP */
	__u8 payload_type;
	__u8 marker;  /* 0 or 1 */
	__u8 program; /* enum fp_program */
	__u8 verdict; /* enum fp_verdict */
	__u32 number; /* of the packet among the source's, from 0, since the trace began */
};

/* Key of `fp_broadcasts`: devmaps whose every entry is the same interface with the same program. */
struct fp_broadcast {
	__u32 interface;
	__u32 entries;
};

/* Where the Ethernet addresses were, between the ingress program and the devmap's program: the latter drops what does
 * not begin like this. */
struct fp_stamp {
	__u32 magic;
	__u32 first_sink; /* FP_SELF_TEST: the frame is the self-test's */
	__u16 sink_count;
	__u16 counter; /* packets broadcast by this processor */
};

#define FP_STAMP_MAGIC 0x6c69746eu
#define FP_SELF_TEST   0xffffffffu

/* Value of `fp_self_test`: whether copies leave a devmap packet by packet. */
struct fp_self_test {
	__u32 packets;
	__u32 copies;
	__u32 out_of_order;
	__u32 reserved;
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
#define FP_VERDICTS(X)                                                                                             \
	X(pass_not_ip, PASS, "neither IPv4 nor IPv6")                                                              \
	X(pass_not_udp, PASS, "another transport protocol, or behind an IPv6 extension header")                    \
	X(pass_truncated, PASS, "the headers contradict the frame's length")                                       \
	X(pass_options, PASS, "IPv4 with options")                                                                 \
	X(pass_fragment, PASS, "a fragment")                                                                       \
	X(pass_other_port, PASS, "UDP to a port that is not ours")                                                 \
	X(pass_not_local, PASS, "to our port of another host")                                                     \
	X(pass_stun, PASS, "first byte 0 to 3 (RFC 7983)")                                                         \
	X(pass_dtls, PASS, "first byte 20 to 63 (RFC 7983)")                                                       \
	X(pass_rtcp, PASS, "RTCP (RFC 5761)")                                                                      \
	X(pass_unknown_protocol, PASS, "none of the protocols of RFC 7983, or too short for RTP")                  \
	X(pass_bad_checksum, PASS, "RTP whose IPv4 header has a wrong checksum")                                   \
	X(pass_unknown_ssrc, PASS, "RTP of a known transport, of an SSRC without a source")                        \
	X(pass_source, PASS, "RTP of a source that the UDP socket is to get")                                      \
	X(pass_no_xsk, PASS, "RTP of a source, on a receive queue without AF_XDP socket")                          \
	X(pass_oversize, PASS, "RTP of a source, larger than a frame of packet memory, or several packets in one") \
	X(pass_unknown_sender, PASS,                                                                               \
	  "RTP from a 5-tuple that no transport has, while the table of transports is full")                       \
	X(drop_unknown_sender, DROP, "RTP from a 5-tuple that no transport has")                                   \
	X(redirect_xsk, REDIRECT, "RTP of a source, to the worker")                                                \
	X(pass_to_tc, PASS, "RTP of a source that the TC program forwards")                                        \
	X(drop_malformed, DROP, "RTP of a route whose CSRCs, extension or padding do not fit")                     \
	X(drop_loop, DROP, "a copy of our own that came back")                                                     \
	X(drop_hop_limit, DROP, "RTP of a route whose time to live is used up")                                    \
	X(drop_rate_limit, DROP, "RTP of a source, beyond its rate limit")                                         \
	X(drop_unwanted_payload_type, DROP, "RTP of a payload type that no sink takes")                            \
	X(drop_no_way, DROP, "RTP of a route whose interface or sinks are gone")                                   \
	X(tx, TX, "RTP of a source with one sink, rewritten and sent back by its interface")                       \
	X(broadcast, REDIRECT, "RTP of a source, to all sinks")                                                    \
	X(copy_sent, PASS, "a copy for one sink")                                                                  \
	X(copy_surplus, DROP, "a copy that the devmap made beyond the number of sinks")                            \
	X(copy_unwanted, DROP, "a copy of a payload type that this sink does not take")                            \
	X(copy_failed, DROP, "a copy that could not be sent")                                                      \
	X(copy_unstamped, DROP, "a frame sent to a devmap by somebody else")

enum fp_verdict {
#define FP_VERDICT(name, action, meaning) FP_VERDICT_##name,
	FP_VERDICTS(FP_VERDICT)
#undef FP_VERDICT
	    FP_VERDICT_COUNT
};

_Static_assert(sizeof(struct fp_address) == 16, "no padding");
_Static_assert(sizeof(struct fp_tuple) == 36, "no padding");
_Static_assert(sizeof(struct fp_source_key) == 40, "no padding");
_Static_assert(sizeof(struct fp_source) == 48, "no padding");
_Static_assert(sizeof(struct fp_transport) == 4, "no padding");
_Static_assert(sizeof(struct fp_settings) == 4, "no padding");
_Static_assert(sizeof(struct fp_interface) == 8, "no padding");

_Static_assert(sizeof(struct fp_source_state) == 80, "no padding");
_Static_assert(sizeof(struct fp_sink) == 200, "no padding");
_Static_assert(sizeof(struct fp_sink_counters) == 40, "no padding");
_Static_assert(sizeof(struct fp_trace) == 48, "no padding");
_Static_assert(sizeof(struct fp_trace_event) == 80, "no padding");
_Static_assert(FP_VERDICT_COUNT <= 256, "a verdict fits an octet");
_Static_assert(sizeof(struct fp_stamp) == 12, "as long as two Ethernet addresses");
_Static_assert(sizeof(struct fp_self_test) == 16, "no padding");

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
