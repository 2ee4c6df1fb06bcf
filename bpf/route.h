/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the XDP and the TC program do alike with RTP of a source: find it, read the rest of its header, hold it to its
 * rate, count it. */
#pragma once

#include "maps.h"
#include "parse.h"

/* What the kernel lane must know of a packet besides `struct packet`. */
struct rtp_shape {
	__u16 payload_octets; /* neither header nor padding */
	__u16 sequence;       /* host order */
	__u32 timestamp;      /* host order */
	__u8 payload_type;
};

/* Longest RTP packet that is forwarded; a mask for the verifier. */
#define FP_LENGTH_MASK 0x7ff

/* The RTP header with CSRCs, extension and padding (RFC 3550 section 5.1), each of which must fit. */
static __always_inline enum fp_verdict parse_rtp(void *at, void *end, __u32 length, struct rtp_shape *shape)
{
	struct rtp_start *rtp = at;
	__u32 header = sizeof(*rtp);
	__u8 *octet;

	if ((void *)(rtp + 1) > end || length > FP_LENGTH_MASK)
		return FP_VERDICT_drop_malformed;
	header += (rtp->first & 0x0f) * 4;
	if (rtp->first & 0x10) {
		__be16 *words = at + header + 2;

		if ((void *)(words + 1) > end)
			return FP_VERDICT_drop_malformed;
		header += 4 + bpf_ntohs(*words) * 4;
	}
	if (header > length)
		return FP_VERDICT_drop_malformed;
	shape->payload_octets = length - header;
	if (rtp->first & 0x20) {
		__u32 last = (length - 1) & FP_LENGTH_MASK;

		asm volatile("" : "+r"(last));
		last &= FP_LENGTH_MASK;
		octet = at + last;
		if ((void *)(octet + 1) > end || *octet == 0 || *octet > shape->payload_octets)
			return FP_VERDICT_drop_malformed;
		shape->payload_octets -= *octet;
	}
	shape->sequence = bpf_ntohs(rtp->sequence);
	shape->timestamp = bpf_ntohl(rtp->timestamp);
	shape->payload_type = rtp->second & 0x7f;
	return FP_CONTINUE;
}

/* Whether the source keeps to its rate (a virtual clock per limit, as in ATM's GCRA); takes its share if so. */
static __always_inline int within_rate(const struct fp_source *source, struct fp_source_state *state, __u32 length,
                                       __u64 now)
{
	__u64 packets = state->packets_until > now ? state->packets_until : now;
	__u64 bytes = state->bytes_until > now ? state->bytes_until : now;

	if ((source->packet_interval && packets - now > FP_BURST) ||
	    (source->kilobyte_interval && bytes - now > FP_BURST)) {
		state->limited++;
		return 0;
	}
	state->packets_until = packets + source->packet_interval;
	state->bytes_until = bytes + ((source->kilobyte_interval * length) >> 10);
	return 1;
}

/* Two packets in sequence that are both old: the sender began anew (RFC 3550 appendix A.1). */
static __always_inline void note_old(struct fp_source_state *state, __u16 sequence)
{
	__u32 next = ((state->highest_sequence | 0xffff) + 1) | sequence;

	if (state->restart_sequence == (0x10000u | sequence)) {
		state->skipped += next - state->highest_sequence - 1;
		state->highest_sequence = next;
		state->restart_sequence = 0;
	} else {
		state->restart_sequence = 0x10000u | (__u16)(sequence + 1);
	}
}

/* RFC 3550 appendices A.1 and A.8. */
static __always_inline void count_arrival(const struct fp_source *source, struct fp_source_state *state,
                                          const struct rtp_shape *shape, __u32 length, __u64 now)
{
	__u32 units =
	    (__u32)(now / 1000000000 * source->clock_rate + now % 1000000000 * source->clock_rate / 1000000000);
	__u32 transit = units - shape->timestamp;
	__s32 difference = (__s32)(transit - state->transit);
	__s16 ahead = (__s16)(shape->sequence - (__u16)state->highest_sequence);

	if (!state->has_started) {
		state->first_sequence = state->highest_sequence = 0x10000u | shape->sequence;
		state->has_started = 1;
	} else if (ahead > 0) {
		state->highest_sequence += (__u16)ahead;
	} else if (ahead <= -FP_MAX_MISORDER) {
		note_old(state, shape->sequence);
	}
	if (difference < 0)
		difference = -difference;
	if (state->has_transit)
		state->jitter += (__u32)difference - ((state->jitter + 8) >> 4);
	state->transit = transit;
	state->has_transit = 1;
	state->last_arrival = now;
	state->packets++;
	state->bytes += length;
}

/* One processor receives a flow, several may send copies to one receiver. */
static __always_inline void count_copy(const struct fp_sink *sink, __u32 length, __u32 payload_octets)
{
	__u32 key = sink->counters;
	struct fp_sink_counters *counters = bpf_map_lookup_elem(&fp_sink_counters, &key);

	if (!counters)
		return;
	if (!counters->first_sent)
		counters->first_sent = bpf_ktime_get_ns();
	counters->last_sent = bpf_ktime_get_coarse_ns();
	__sync_fetch_and_add(&counters->packets, 1);
	__sync_fetch_and_add(&counters->bytes, length);
	__sync_fetch_and_add(&counters->payload_octets, payload_octets);
}

/* A copy of our own has our address and port as its sender's. */
static __always_inline int is_our_own(const struct packet *packet)
{
	return packet->key.tuple.remote_port == packet->key.tuple.local_port &&
	       bpf_map_lookup_elem(&fp_local_addresses, &packet->key.tuple.remote) != 0;
}

/* RTP of no source: a transport's new stream, or nobody we know. */
static __always_inline enum fp_verdict judge_unknown(const struct packet *packet)
{
	__u32 zero = 0;
	struct fp_settings *settings;

	if (bpf_map_lookup_elem(&fp_transports, &packet->key.tuple))
		return FP_VERDICT_pass_unknown_ssrc;
	if (!bpf_map_lookup_elem(&fp_local_addresses, &packet->key.tuple.local))
		return FP_VERDICT_pass_not_local;
	if (is_our_own(packet))
		return FP_VERDICT_drop_loop;
	settings = bpf_map_lookup_elem(&fp_settings, &zero);
	if (settings && settings->pass_unknown_senders)
		return FP_VERDICT_pass_unknown_sender;
	return FP_VERDICT_drop_unknown_sender;
}
