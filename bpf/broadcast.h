/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* One packet to many sinks by XDP: a devmap clones it once per entry, and the devmap's program makes each clone another
 * sink's copy. Which one follows from the order of the clones, which the self-test proves. */
#pragma once

#include "rewrite.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, FP_MAX_BROADCASTS);
	__type(key, struct fp_broadcast);
	__array(
	    values, struct {
		    __uint(type, BPF_MAP_TYPE_DEVMAP);
		    __uint(max_entries, 1);
		    __uint(key_size, 4);
		    __uint(value_size, 8);
	    });
} fp_broadcasts SEC(".maps");

/* How far this processor is with the packet whose clones it sees. */
struct fp_progress {
	__u32 next_counter; /* of the next packet to broadcast */
	__u32 counter;      /* of the packet whose clones come */
	__u32 first_sink;
	__u32 slot; /* of the next clone */
	__u32 made; /* copies of the bulk on its way to the driver */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fp_progress);
} fp_progress SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fp_self_test);
} fp_self_test SEC(".maps");

static __always_inline int copy_rtp_start(void *data, void *end, struct rtp_start *original)
{
	struct ethhdr *ethernet = data;
	void *rtp;

	if ((void *)(ethernet + 1) > end)
		return 0;
	rtp = (void *)(ethernet + 1) + sizeof(struct udphdr) +
	      (ethernet->h_proto == bpf_htons(ETH_P_IPV6) ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	if (rtp + sizeof(*original) > end)
		return 0;
	__builtin_memcpy(original, rtp, sizeof(*original));
	return 1;
}

/* Stamps the frame and sends it through the devmap. */
static __always_inline enum fp_verdict stamp(struct xdp_md *context, __u32 first_sink, __u32 sink_count,
                                             const struct fp_broadcast *key)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct fp_stamp *stamp = data;
	__u32 zero = 0;
	struct fp_progress *progress = bpf_map_lookup_elem(&fp_progress, &zero);
	void *devmap = bpf_map_lookup_elem(&fp_broadcasts, key);

	if (!progress || !devmap || (void *)(stamp + 1) > end)
		return FP_VERDICT_drop_no_way;
	stamp->magic = FP_STAMP_MAGIC;
	stamp->first_sink = first_sink;
	stamp->sink_count = sink_count;
	stamp->counter = progress->next_counter++;
	if (bpf_redirect_map(devmap, 0, BPF_F_BROADCAST) != XDP_REDIRECT)
		return FP_VERDICT_drop_no_way;
	return FP_VERDICT_broadcast;
}

/* The clones find the sum of what stays where the checksum was. */
static __always_inline enum fp_verdict broadcast(struct xdp_md *context, const struct fp_source *source, int is_v6,
                                                 __u16 rest)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct fp_broadcast key = { source->interface, source->broadcast ? source->broadcast : 1 };
	struct udphdr *udp = data + sizeof(struct ethhdr) + (is_v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));

	if ((void *)(udp + 1) > end)
		return FP_VERDICT_drop_no_way;
	udp->check = rest;
	return stamp(context, source->first_sink, source->sink_count, &key);
}

static __always_inline enum fp_verdict broadcast_self_test(struct xdp_md *context)
{
	struct fp_broadcast *key = (void *)(long)context->data + sizeof(struct fp_stamp);

	if ((void *)(key + 1) > (void *)(long)context->data_end)
		return FP_VERDICT_drop_no_way;
	struct fp_broadcast copy = *key;
	return stamp(context, FP_SELF_TEST, copy.entries, &copy);
}

/* The place of this clone among its packet's. */
static __always_inline __u32 take_slot(struct fp_progress *progress, const struct fp_stamp *stamp)
{
	__u32 counter = 0x10000u | stamp->counter;

	if (progress->counter != counter || progress->first_sink != stamp->first_sink) {
		progress->counter = counter;
		progress->first_sink = stamp->first_sink;
		progress->slot = 0;
	}
	return progress->slot++;
}

static __always_inline void note_self_test(struct fp_progress *progress, const struct fp_stamp *stamp)
{
	__u32 zero = 0;
	struct fp_self_test *test = bpf_map_lookup_elem(&fp_self_test, &zero);
	__u32 counter = progress->counter, slot = progress->slot;
	__u32 now = take_slot(progress, stamp);

	if (!test)
		return;
	/* A new packet although the last was not complete, or more clones than entries. */
	if ((now == 0 && test->packets > 0 && slot != stamp->sink_count) || now >= stamp->sink_count)
		test->out_of_order++;
	if (now == 0 && test->packets > 0 && counter != (0x10000u | (__u16)(stamp->counter - 1)))
		test->out_of_order++;
	if (now == 0)
		test->packets++;
	test->copies++;
}

static __always_inline enum fp_verdict make_copy(struct xdp_md *context)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct fp_stamp *stamp = data;
	struct ethhdr *ethernet = data;
	__u32 zero = 0;
	struct fp_progress *progress = bpf_map_lookup_elem(&fp_progress, &zero);
	struct rtp_start original;
	struct rtp_shape shape = {};
	struct fp_sink *sink;
	struct udphdr *udp;
	__u32 length, slot;
	int is_v6;

	if (!progress || (void *)(ethernet + 1) > end || stamp->magic != FP_STAMP_MAGIC)
		return FP_VERDICT_copy_unstamped;
	if (stamp->first_sink == FP_SELF_TEST) {
		note_self_test(progress, stamp);
		return FP_VERDICT_copy_surplus;
	}
	slot = take_slot(progress, stamp);
	if (slot >= stamp->sink_count)
		return FP_VERDICT_copy_surplus;
	slot += stamp->first_sink;
	sink = bpf_map_lookup_elem(&fp_sinks, &slot);
	is_v6 = ethernet->h_proto == bpf_htons(ETH_P_IPV6);
	udp = (void *)(ethernet + 1) + (is_v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	if (!sink || (void *)(udp + 1) > end || !copy_rtp_start(data, end, &original))
		return FP_VERDICT_copy_failed;
	length = bpf_ntohs(udp->len) - sizeof(*udp);
	if (parse_rtp(udp + 1, end, length, &shape) != FP_CONTINUE)
		return FP_VERDICT_copy_failed;
	if (rewrite(data, end, sink, &original, hops_left(ethernet + 1, is_v6), udp->check, 0) != 1)
		return FP_VERDICT_copy_unwanted;
	count_copy(sink, length, shape.payload_octets);
	progress->made++;
	return FP_VERDICT_copy_sent;
}
