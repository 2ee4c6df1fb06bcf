/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Reading a frame, step by step in the packet's order. Each step moves the cursor past what it read, and returns
 * FP_VERDICT_COUNT to go on or the verdict that ends the packet's way. */
#pragma once

#include "abi/fastpath.h"
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FP_CONTINUE FP_VERDICT_COUNT

struct cursor {
	void *at;
	void *end;
};

/* What a packet says of itself. */
struct packet {
	struct fp_source_key key;
	__u16 ether_type;     /* network order */
	__u16 udp_length;     /* UDP header and payload, host order */
	__u16 payload_length; /* of the UDP datagram */
	__u16 tag_length;     /* of the 802.1Q tag; 0 if there is none */
	__u16 reserved;
	void *ip;
	void *payload;
};

struct vlan_tag {
	__be16 control;
	__be16 ether_type;
};

/* The fields of an RTP header (RFC 3550 section 5.1) that matter here. */
struct rtp_start {
	__u8 first;
	__u8 second;
	__be16 sequence;
	__be32 timestamp;
	__be32 ssrc;
};

/* Ethernet, and one 802.1Q tag if there is one. */
static __always_inline enum fp_verdict parse_ethernet(struct cursor *cursor, struct packet *packet)
{
	struct ethhdr *ethernet = cursor->at;

	if ((void *)(ethernet + 1) > cursor->end)
		return FP_VERDICT_pass_not_ip;
	cursor->at = ethernet + 1;
	packet->ether_type = ethernet->h_proto;
	if (packet->ether_type == bpf_htons(ETH_P_8021Q)) {
		struct vlan_tag *tag = cursor->at;

		if ((void *)(tag + 1) > cursor->end)
			return FP_VERDICT_pass_not_ip;
		cursor->at = tag + 1;
		packet->ether_type = tag->ether_type;
		packet->tag_length = sizeof(*tag);
	}
	packet->ip = cursor->at;
	return FP_CONTINUE;
}

static __always_inline void map_v4(struct fp_address *address, __be32 v4)
{
	__builtin_memset(address->bytes, 0, 10);
	address->bytes[10] = 0xff;
	address->bytes[11] = 0xff;
	__builtin_memcpy(address->bytes + 12, &v4, 4);
}

static __always_inline enum fp_verdict parse_ipv4(struct cursor *cursor, struct packet *packet)
{
	struct iphdr *ip = cursor->at;

	if ((void *)(ip + 1) > cursor->end)
		return FP_VERDICT_pass_truncated;
	if (ip->protocol != IPPROTO_UDP)
		return FP_VERDICT_pass_not_udp;
	if (ip->version != 4 || ip->ihl < 5)
		return FP_VERDICT_pass_truncated;
	if (ip->ihl != 5)
		return FP_VERDICT_pass_options;
	/* More fragments to come, or not the first. */
	if (ip->frag_off & bpf_htons(0x3fff))
		return FP_VERDICT_pass_fragment;
	cursor->at = ip + 1;
	map_v4(&packet->key.tuple.remote, ip->saddr);
	map_v4(&packet->key.tuple.local, ip->daddr);
	packet->udp_length = bpf_ntohs(ip->tot_len) - sizeof(*ip);
	return bpf_ntohs(ip->tot_len) < sizeof(*ip) + sizeof(struct udphdr) ? FP_VERDICT_pass_truncated : FP_CONTINUE;
}

static __always_inline enum fp_verdict parse_ipv6(struct cursor *cursor, struct packet *packet)
{
	struct ipv6hdr *ip = cursor->at;

	if ((void *)(ip + 1) > cursor->end)
		return FP_VERDICT_pass_truncated;
	if (ip->nexthdr == IPPROTO_FRAGMENT)
		return FP_VERDICT_pass_fragment;
	if (ip->nexthdr != IPPROTO_UDP)
		return FP_VERDICT_pass_not_udp;
	if (ip->version != 6)
		return FP_VERDICT_pass_truncated;
	cursor->at = ip + 1;
	__builtin_memcpy(packet->key.tuple.remote.bytes, &ip->saddr, 16);
	__builtin_memcpy(packet->key.tuple.local.bytes, &ip->daddr, 16);
	packet->udp_length = bpf_ntohs(ip->payload_len);
	return packet->udp_length < sizeof(struct udphdr) ? FP_VERDICT_pass_truncated : FP_CONTINUE;
}

static __always_inline enum fp_verdict parse_udp(struct cursor *cursor, struct packet *packet, __be16 media_port)
{
	struct udphdr *udp = cursor->at;
	__u16 length;

	if ((void *)(udp + 1) > cursor->end)
		return FP_VERDICT_pass_truncated;
	if (udp->dest != media_port)
		return FP_VERDICT_pass_other_port;
	length = bpf_ntohs(udp->len);
	if (length < sizeof(*udp) || length > packet->udp_length)
		return FP_VERDICT_pass_truncated;
	/* A frame may be padded, but not shorter than its datagram. */
	if ((__u64)length > (__u64)(cursor->end - cursor->at))
		return FP_VERDICT_pass_truncated;
	cursor->at = udp + 1;
	packet->key.tuple.remote_port = udp->source;
	packet->key.tuple.local_port = udp->dest;
	packet->payload_length = length - sizeof(*udp);
	return FP_CONTINUE;
}

/* Which of the protocols on the port it is (RFC 7983, RFC 5761). Goes on if RTP. */
static __always_inline enum fp_verdict parse_payload(struct cursor *cursor, struct packet *packet)
{
	struct rtp_start *rtp = cursor->at;
	__u8 *first = cursor->at;

	if ((void *)(first + 1) > cursor->end || packet->payload_length < 1)
		return FP_VERDICT_pass_unknown_protocol;
	if (*first <= 3)
		return FP_VERDICT_pass_stun;
	if (*first >= 20 && *first <= 63)
		return FP_VERDICT_pass_dtls;
	if (*first < 128 || *first > 191)
		return FP_VERDICT_pass_unknown_protocol;
	if ((void *)(first + 2) > cursor->end || packet->payload_length < 2)
		return FP_VERDICT_pass_unknown_protocol;
	if ((first[1] & 0x7f) >= 64 && (first[1] & 0x7f) <= 95)
		return FP_VERDICT_pass_rtcp;
	if ((void *)(rtp + 1) > cursor->end || packet->payload_length < sizeof(*rtp))
		return FP_VERDICT_pass_unknown_protocol;
	packet->key.ssrc = rtp->ssrc;
	packet->payload = rtp;
	return FP_CONTINUE;
}

/* The network stack drops what has a wrong one; a copy would get a right one. */
static __always_inline enum fp_verdict check_ipv4(const struct iphdr *ip)
{
	const __u16 *words = (const void *)ip;
	__u32 sum = 0;

#pragma unroll
	for (__u32 i = 0; i < sizeof(*ip) / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff ? FP_CONTINUE : FP_VERDICT_pass_bad_checksum;
}

static __always_inline enum fp_verdict parse(struct cursor *cursor, struct packet *packet, __be16 media_port)
{
	enum fp_verdict verdict = parse_ethernet(cursor, packet);

	if (verdict != FP_CONTINUE)
		return verdict;
	if (packet->ether_type == bpf_htons(ETH_P_IP))
		verdict = parse_ipv4(cursor, packet);
	else if (packet->ether_type == bpf_htons(ETH_P_IPV6))
		verdict = parse_ipv6(cursor, packet);
	else
		return FP_VERDICT_pass_not_ip;
	if (verdict != FP_CONTINUE)
		return verdict;
	verdict = parse_udp(cursor, packet, media_port);
	if (verdict != FP_CONTINUE)
		return verdict;
	verdict = parse_payload(cursor, packet);
	if (verdict != FP_CONTINUE || packet->ether_type != bpf_htons(ETH_P_IP))
		return verdict;
	return check_ipv4(packet->ip);
}
