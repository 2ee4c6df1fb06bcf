/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Telling an operator of single packets of a source: those that are sampled, up to so many per second. Costs the others
 * two comparisons.
 *
 * What is known of a packet on its way lies in `fp_traces`, not on the stack: the verifier would walk all of the
 * program twice, with a sample and without. */
#pragma once

#include "maps.h"
#include "parse.h"

static __always_inline struct fp_trace *trace_of(const struct fp_source *source)
{
	__u32 key = *(const volatile __u16 *)&source->trace;

	return key-- ? bpf_map_lookup_elem(&fp_traces, &key) : 0;
}

/* Before the program changes the packet. */
static __always_inline void take_sample(const struct fp_source *source, const struct packet *packet)
{
	struct fp_trace *trace = trace_of(source);
	const struct rtp_start *rtp = packet->payload;
	int is_forwarded = source->action == FP_ACTION_XDP || source->action == FP_ACTION_TC;

	if (!trace)
		return;
	trace->is_sampled = trace->every != 0 && trace->packets++ % trace->every == 0;
	if (!trace->is_sampled)
		return;
	trace->timestamp = bpf_ntohl(rtp->timestamp);
	trace->sequence = bpf_ntohs(rtp->sequence);
	trace->second = rtp->second;
	trace->first_sink = source->first_sink;
	trace->sink_count = is_forwarded ? source->sink_count : 0;
}

/* A virtual clock, as for a source's rate. */
static __always_inline int within_pace(struct fp_trace *trace, __u64 now)
{
	__u64 until = trace->until > now ? trace->until : now;

	if (until - now > FP_TRACE_BURST)
		return 0;
	trace->until = until + FP_TRACE_INTERVAL;
	return 1;
}

/* At the end of its way. Nobody is woken: the worker looks into the ring while there are traces. */
static __always_inline void tell(const struct fp_source *source, const struct packet *packet, __u32 interface,
                                 enum fp_program program, enum fp_verdict verdict)
{
	struct fp_trace *trace = trace_of(source);
	struct fp_trace_event *event;
	__u64 now;

	if (!trace || !trace->is_sampled)
		return;
	now = bpf_ktime_get_ns();
	event = within_pace(trace, now) ? bpf_ringbuf_reserve(&fp_trace_events, sizeof(*event), 0) : 0;
	if (!event) {
		trace->missed++;
		return;
	}
	event->time = now;
	event->key = packet->key;
	event->source = trace->source;
	event->interface = interface;
	event->first_sink = trace->first_sink;
	event->sink_count = trace->sink_count;
	event->timestamp = trace->timestamp;
	event->sequence = trace->sequence;
	event->length = packet->payload_length;
	event->payload_type = trace->second & 0x7f;
	event->marker = trace->second >> 7;
	event->program = program;
	event->verdict = verdict;
	event->number = trace->packets - 1;
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}
