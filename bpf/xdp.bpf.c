/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* XDP ingress: what is RTP of a known source goes straight to the worker, or, in the kernel lane, to its sinks;
 * strangers' RTP ends here; everything else passes untouched. */
#include "broadcast.h"
#include "trace.h"

static __always_inline enum fp_verdict steer_to_xsk(struct xdp_md *context)
{
	__u32 index = context->ingress_ifindex;
	__u32 queue = context->rx_queue_index;
	struct fp_interface *interface = bpf_map_lookup_elem(&fp_interfaces, &index);

	if (bpf_xdp_get_buff_len(context) > FP_MAX_FRAME)
		return FP_VERDICT_pass_oversize;
	if (!interface || queue >= interface->queues)
		return FP_VERDICT_pass_no_xsk;
	/* XDP_PASS where there is no socket. */
	if (bpf_redirect_map(&fp_xsks, interface->first_xsk + queue, XDP_PASS) != XDP_REDIRECT)
		return FP_VERDICT_pass_no_xsk;
	return FP_VERDICT_redirect_xsk;
}

/* The one sink's copy, in place. */
static __always_inline enum fp_verdict send_back(struct xdp_md *context, const struct fp_source *source,
                                                 const struct rtp_shape *shape, __u32 length, __u8 hops, __u16 rest)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u32 key = source->first_sink;
	struct fp_sink *sink = bpf_map_lookup_elem(&fp_sinks, &key);
	struct rtp_start original;

	if (!sink || !copy_rtp_start(data, end, &original))
		return FP_VERDICT_drop_no_way;
	if (rewrite(data, end, sink, &original, hops, rest, 0) != 1)
		return FP_VERDICT_drop_unwanted_payload_type;
	count_copy(sink, length, shape->payload_octets);
	return FP_VERDICT_tx;
}

/* A source in the kernel lane. */
static __always_inline enum fp_verdict forward(struct xdp_md *context, const struct packet *packet,
                                               const struct fp_source *source, struct fp_source_state *state, __u64 now)
{
	int is_v6 = packet->ether_type == bpf_htons(ETH_P_IPV6);
	void *end = (void *)(long)context->data_end;
	__u32 length = packet->payload_length;
	struct rtp_shape shape = {};
	__u16 rest;
	__u8 hops;
	enum fp_verdict verdict;

	/* No more than that is summed for a checksum. */
	if (bpf_xdp_get_buff_len(context) > FP_MAX_FRAME)
		return FP_VERDICT_pass_oversize;
	verdict = parse_rtp(packet->payload, end, length, &shape);
	if (verdict != FP_CONTINUE)
		return verdict;
	if (!count_hop(packet->ip, is_v6))
		return FP_VERDICT_drop_hop_limit;
	count_arrival(source, state, &shape, length, now);
	hops = hops_left(packet->ip, is_v6);
	rest = sum_of_rest(packet->ip, is_v6, packet->payload - sizeof(struct udphdr), end);
	if (packet->tag_length && bpf_xdp_adjust_head(context, sizeof(struct vlan_tag)))
		return FP_VERDICT_drop_no_way;
	if (source->broadcast == 0 && source->interface == context->ingress_ifindex)
		return send_back(context, source, &shape, length, hops, rest);
	return broadcast(context, source, is_v6, rest);
}

static __always_inline enum fp_verdict judge_source(struct xdp_md *context, const struct packet *packet,
                                                    const struct fp_source *source)
{
	struct fp_source_state *state = bpf_map_lookup_elem(&fp_source_states, &source->state);
	__u64 now = state ? bpf_ktime_get_ns() : 0;

	if (state && !within_rate(source, state, packet->payload_length, now))
		return FP_VERDICT_drop_rate_limit;
	if (source->action == FP_ACTION_XDP && state)
		return forward(context, packet, source, state, now);
	if (source->action != FP_ACTION_XSK)
		return FP_VERDICT_pass_source;
	return steer_to_xsk(context);
}

static __always_inline void note_check(const struct packet *packet)
{
	__u32 seen = 1;

	if (!bpf_map_lookup_elem(&fp_checks, &packet->key.tuple))
		bpf_map_update_elem(&fp_checks, &packet->key.tuple, &seen, BPF_ANY);
}

static __always_inline enum fp_verdict judge(struct xdp_md *context)
{
	struct cursor cursor = { (void *)(long)context->data, (void *)(long)context->data_end };
	struct packet packet = {};
	enum fp_verdict verdict = parse(&cursor, &packet, fp_media_port);
	struct fp_source *source;

	if (verdict == FP_VERDICT_pass_stun)
		note_check(&packet);
	if (verdict != FP_CONTINUE)
		return verdict;
	source = bpf_map_lookup_elem(&fp_sources, &packet.key);
	if (!source)
		return judge_unknown(&packet);
	/* That one tells of it, too. */
	if (source->action == FP_ACTION_TC)
		return FP_VERDICT_pass_to_tc;
	take_sample(source, &packet);
	verdict = judge_source(context, &packet, source);
	tell(source, &packet, context->ingress_ifindex, FP_PROGRAM_XDP, verdict);
	return verdict;
}

/* The one place where a verdict becomes an action. */
static __always_inline int action_of(enum fp_verdict verdict)
{
	switch (verdict) {
#define FP_VERDICT(name, action, meaning) \
	case FP_VERDICT_##name:           \
		return XDP_##action;
		FP_VERDICTS(FP_VERDICT)
#undef FP_VERDICT
	default:
		return XDP_PASS;
	}
}

/* "frags": large packets on their way to others need not be made one piece first. */
SEC("xdp.frags")
int needletail_xdp(struct xdp_md *context)
{
	enum fp_verdict verdict = judge(context);

	count(verdict);
	return action_of(verdict);
}

/* The devmap's program: every frame is a clone of what the ingress program broadcast. */
SEC("xdp.frags/devmap")
int needletail_copy(struct xdp_md *context)
{
	enum fp_verdict verdict = make_copy(context);

	count(verdict);
	return verdict == FP_VERDICT_copy_sent ? XDP_PASS : XDP_DROP;
}

/* Broadcasts a packet of the self-test, whose copies the devmap's program counts and drops. */
SEC("xdp.frags")
int needletail_self_test(struct xdp_md *context)
{
	return broadcast_self_test(context) == FP_VERDICT_broadcast ? XDP_REDIRECT : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
