/* XDP ingress: what is RTP of a known source goes straight to the worker; strangers' RTP ends here; everything else
 * passes untouched. */
#include "maps.h"
#include "parse.h"

static __always_inline enum fp_verdict parse(struct xdp_md *context, struct packet *packet)
{
	struct cursor cursor = { (void *)(long)context->data, (void *)(long)context->data_end };
	enum fp_verdict verdict = parse_ethernet(&cursor, packet);

	if (verdict != FP_CONTINUE)
		return verdict;
	if (packet->ether_type == bpf_htons(ETH_P_IP))
		verdict = parse_ipv4(&cursor, packet);
	else if (packet->ether_type == bpf_htons(ETH_P_IPV6))
		verdict = parse_ipv6(&cursor, packet);
	else
		return FP_VERDICT_pass_not_ip;
	if (verdict != FP_CONTINUE)
		return verdict;
	verdict = parse_udp(&cursor, packet, fp_media_port);
	if (verdict != FP_CONTINUE)
		return verdict;
	return parse_payload(&cursor, packet);
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
	settings = bpf_map_lookup_elem(&fp_settings, &zero);
	if (settings && settings->pass_unknown_senders)
		return FP_VERDICT_pass_unknown_sender;
	return FP_VERDICT_drop_unknown_sender;
}

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

static __always_inline enum fp_verdict judge(struct xdp_md *context)
{
	struct packet packet = {};
	enum fp_verdict verdict = parse(context, &packet);
	struct fp_source *source;

	if (verdict != FP_CONTINUE)
		return verdict;
	source = bpf_map_lookup_elem(&fp_sources, &packet.key);
	if (!source)
		return judge_unknown(&packet);
	if (source->action != FP_ACTION_XSK)
		return FP_VERDICT_pass_source;
	return steer_to_xsk(context);
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

char _license[] SEC("license") = "GPL";
