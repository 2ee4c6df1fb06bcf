/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* TC ingress: RTP of sources that XDP cannot forward, because their sinks are behind several interfaces or behind one
 * that XDP cannot send by. Shares its tables with the XDP program; everything else passes untouched. */
#include "rewrite.h"
#include "trace.h"
#include <linux/pkt_cls.h>

struct copies {
	struct __sk_buff *skb;
	struct rtp_start original;
	__u32 first_sink;
	__u32 length;
	__u32 payload_octets;
	__u16 rest;
	__u8 is_partial;
	__u8 hops;
};

/* Whether the network stack will finish the checksum: then a change of the payload leaves it as it is. */
static __always_inline int is_partial(struct __sk_buff *skb, __u32 offset)
{
	__u16 before = 0, after = 0;

	bpf_skb_load_bytes(skb, offset, &before, 2);
	bpf_l4_csum_replace(skb, offset, 0, bpf_htons(0x1234), 0);
	bpf_skb_load_bytes(skb, offset, &after, 2);
	bpf_skb_store_bytes(skb, offset, &before, 2, 0);
	return before == after;
}

static long make_copy(__u32 index, struct copies *copies)
{
	__u32 key = copies->first_sink + index;
	struct __sk_buff *skb = copies->skb;
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct fp_sink *sink = bpf_map_lookup_elem(&fp_sinks, &key);
	int outcome;

	if (!sink)
		return 1;
	outcome = rewrite(data, end, sink, &copies->original, copies->hops, copies->rest, copies->is_partial);
	if (outcome != 1) {
		count(outcome ? FP_VERDICT_copy_failed : FP_VERDICT_copy_unwanted);
		return 0;
	}
	if (bpf_clone_redirect(skb, sink->interface, 0)) {
		count(FP_VERDICT_copy_failed);
		return 0;
	}
	count_copy(sink, copies->length, copies->payload_octets);
	count(FP_VERDICT_copy_sent);
	return 0;
}

/* The linear part must hold everything that is read: all headers, or all of a packet to be summed or with padding. */
static __always_inline enum fp_verdict forward(struct __sk_buff *skb, const struct packet *packet,
                                               const struct fp_source *source, struct fp_source_state *state, __u64 now)
{
	int is_v6 = packet->ether_type == bpf_htons(ETH_P_IPV6);
	__u32 length = packet->payload_length;
	void *end = (void *)(long)skb->data_end;
	struct copies copies = { .skb = skb, .first_sink = source->first_sink, .length = length };
	struct rtp_shape shape = {};
	struct udphdr *udp = packet->payload - sizeof(struct udphdr);
	enum fp_verdict verdict = parse_rtp(packet->payload, end, length, &shape);

	if (verdict != FP_CONTINUE)
		return verdict;
	if (!count_hop(packet->ip, is_v6))
		return FP_VERDICT_drop_hop_limit;
	count_arrival(source, state, &shape, length, now);
	__builtin_memcpy(&copies.original, packet->payload, sizeof(copies.original));
	copies.hops = hops_left(packet->ip, is_v6);
	copies.payload_octets = shape.payload_octets;
	copies.rest = sum_of_rest(packet->ip, is_v6, udp, end);
	if (may_be_unfinished(packet->ip, is_v6, udp) && udp->check)
		copies.is_partial = is_partial(skb, sizeof(struct ethhdr) +
		                                        (is_v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) + 6);
	bpf_loop(source->sink_count, make_copy, &copies, 0);
	return FP_VERDICT_broadcast;
}

static __always_inline enum fp_verdict judge_source(struct __sk_buff *skb, const struct packet *packet,
                                                    const struct fp_source *source)
{
	struct fp_source_state *state = bpf_map_lookup_elem(&fp_source_states, &source->state);
	__u64 now;

	if (!state)
		return FP_VERDICT_drop_no_way;
	now = bpf_ktime_get_ns();
	if (!within_rate(source, state, packet->payload_length, now))
		return FP_VERDICT_drop_rate_limit;
	return forward(skb, packet, source, state, now);
}

/* Behind generic XDP a packet may come without its Ethernet header (seen on lo). One that is ours gets it back: its
 * copies begin there. A function that the verifier checks by itself: inlined it doubles every path after it. */
__attribute__((noinline)) int restore_ethernet(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	int is_v6 = skb->protocol == bpf_htons(ETH_P_IPV6);
	__u32 length = is_v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	struct ethhdr *ethernet = data;
	struct iphdr *v4 = data;
	struct ipv6hdr *v6 = data;
	struct udphdr *udp = data + length;
	__be16 protocol = skb->protocol;

	if ((void *)(ethernet + 1) > end || ethernet->h_proto == protocol || (void *)(udp + 1) > end)
		return 0;
	if (is_v6) {
		if ((void *)(v6 + 1) > end || v6->version != 6 || v6->nexthdr != IPPROTO_UDP ||
		    bpf_ntohs(v6->payload_len) + length != skb->len)
			return 0;
	} else if (v4->version != 4 || v4->ihl != 5 || v4->protocol != IPPROTO_UDP ||
	           bpf_ntohs(v4->tot_len) != skb->len) {
		return 0;
	}
	if (udp->dest != fp_media_port)
		return 0;
	if (bpf_skb_change_head(skb, sizeof(struct ethhdr), 0))
		return 0;
	return bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &protocol, sizeof(protocol), 0);
}

static __always_inline enum fp_verdict judge(struct __sk_buff *skb)
{
	struct cursor cursor;
	struct packet packet = {};
	enum fp_verdict verdict;
	struct fp_source *source;

	/* A tag in the frame itself is left to the worker. */
	if (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6))
		return FP_VERDICT_pass_not_ip;
	/* Several packets that are to be cut apart later are one here. */
	if (skb->len > FP_MAX_FRAME || skb->gso_size)
		return FP_VERDICT_pass_oversize;
	if (skb->data_end - skb->data < skb->len)
		bpf_skb_pull_data(skb, skb->len);
	restore_ethernet(skb);
	cursor.at = (void *)(long)skb->data;
	cursor.end = (void *)(long)skb->data_end;
	verdict = parse(&cursor, &packet, fp_media_port);
	if (verdict != FP_CONTINUE)
		return verdict;
	if (packet.tag_length)
		return FP_VERDICT_pass_not_ip;
	source = bpf_map_lookup_elem(&fp_sources, &packet.key);
	if (!source)
		return judge_unknown(&packet);
	if (source->action != FP_ACTION_TC)
		return FP_VERDICT_pass_source;
	take_sample(source, &packet);
	verdict = judge_source(skb, &packet, source);
	tell(source, &packet, skb->ifindex, FP_PROGRAM_TC, verdict);
	return verdict;
}

static __always_inline int action_of(enum fp_verdict verdict)
{
	switch (verdict) {
#define TC_PASS TC_ACT_UNSPEC
#define TC_DROP TC_ACT_SHOT
#define TC_TX   TC_ACT_SHOT
/* Every copy is a clone: the packet itself ends here. */
#define TC_REDIRECT TC_ACT_SHOT
#define FP_VERDICT(name, action, meaning) \
	case FP_VERDICT_##name:           \
		return TC_##action;
		FP_VERDICTS(FP_VERDICT)
#undef FP_VERDICT
	default:
		return TC_ACT_UNSPEC;
	}
}

SEC("tc")
int needletail_tc(struct __sk_buff *skb)
{
	enum fp_verdict verdict = judge(skb);

	count(verdict);
	return action_of(verdict);
}

char _license[] SEC("license") = "GPL";
