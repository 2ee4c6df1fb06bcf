/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A packet becomes a sink's copy, in place: Ethernet, IP, UDP, RTP, checksums. The same for XDP and TC. */
#pragma once

#include "route.h"

/* Folds a one's-complement sum (RFC 1071) to 16 bits. */
static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __always_inline __u64 sum_words(const void *at, __u32 count)
{
	const __u16 *words = at;
	__u64 sum = 0;

#pragma unroll
	for (__u32 i = 0; i < count; i++)
		sum += words[i];
	return sum;
}

/* The sum of what a copy changes: addresses, protocol, ports and the fixed RTP header. The length counts twice and is
 * not in it. `ip` and `rtp` were checked. */
static __always_inline __u64 sum_changing(const void *ip, int is_v6, const struct udphdr *udp, const void *rtp)
{
	__u64 sum = is_v6 ? sum_words(ip + 8, 16) : sum_words(ip + 12, 4);

	return sum + bpf_htons(IPPROTO_UDP) + udp->source + udp->dest + sum_words(rtp, sizeof(struct rtp_start) / 2);
}

/* The sum of `length` octets; they end with the frame or before. */
static __always_inline __u16 sum_octets(void *at, void *end, __u32 length)
{
	__s64 sum = 0;

#define FP_SUM(size)                                             \
	if (length >= size && at + size <= end) {                \
		sum = bpf_csum_diff(0, 0, at, size, (__u32)sum); \
		at += size;                                      \
		length -= size;                                  \
	}
	for (int i = 0; i < 6; i++) {
		FP_SUM(256)
	}
	FP_SUM(128)
	FP_SUM(64)
	FP_SUM(32)
	FP_SUM(16)
	FP_SUM(8)
	FP_SUM(4)
#undef FP_SUM
	__u64 total = (__u32)sum;
	if (length >= 2 && at + 2 <= end) {
		total += *(__u16 *)at;
		at += 2;
		length -= 2;
	}
	if (length >= 1 && at + 1 <= end)
		total += *(__u8 *)at;
	return fold(total);
}

/* Whether the checksum may be the pseudo-header's alone, which a sender on this machine leaves to the hardware
 * (CHECKSUM_PARTIAL), or there is none. */
static __always_inline int may_be_unfinished(const void *ip, int is_v6, const struct udphdr *udp)
{
	__u64 pseudo = is_v6 ? sum_words(ip + 8, 16) : sum_words(ip + 12, 4);

	return udp->check == 0 || udp->check == fold(pseudo + bpf_htons(IPPROTO_UDP) + udp->len);
}

/* The sum of what stays: everything behind the fixed RTP header. Taken from the packet's checksum, so that damage stays
 * visible, unless that may be unfinished. */
static __always_inline __u16 sum_of_rest(void *ip, int is_v6, struct udphdr *udp, void *end)
{
	void *rtp = udp + 1;

	if (may_be_unfinished(ip, is_v6, udp)) {
		__u32 length = bpf_ntohs(udp->len) - sizeof(*udp) - sizeof(struct rtp_start);

		return sum_octets(rtp + sizeof(struct rtp_start), end, length);
	}
	/* Subtraction is adding the complement. */
	__u16 changing = ~fold(sum_changing(ip, is_v6, udp, rtp) + udp->len + udp->len);
	return fold((__u64)(__u16)~udp->check + changing);
}

/* From the header as it was received: a frame may have been another sink's copy since. */
static __always_inline void rewrite_rtp(struct rtp_start *rtp, const struct rtp_start *original,
                                        const struct fp_sink *sink, __u8 payload_type)
{
	rtp->second = (original->second & 0x80) | payload_type;
	rtp->sequence = bpf_htons(bpf_ntohs(original->sequence) + sink->sequence_offset);
	rtp->timestamp = bpf_htonl(bpf_ntohl(original->timestamp) + sink->timestamp_offset);
	rtp->ssrc = sink->ssrc;
}

static __always_inline __u8 smaller(__u8 a, __u8 b)
{
	return a < b ? a : b;
}

static __always_inline void rewrite_ipv4(struct iphdr *ip, const struct fp_sink *sink, __u8 hops)
{
	__builtin_memcpy(&ip->saddr, sink->tuple.local.bytes + 12, 4);
	__builtin_memcpy(&ip->daddr, sink->tuple.remote.bytes + 12, 4);
	ip->ttl = smaller(hops, sink->hop_limit);
	ip->check = 0;
	ip->check = ~fold(sum_words(ip, sizeof(*ip) / 2));
}

static __always_inline void rewrite_ipv6(struct ipv6hdr *ip, const struct fp_sink *sink, __u8 hops)
{
	ip->hop_limit = smaller(hops, sink->hop_limit);
	__builtin_memcpy(&ip->saddr, sink->tuple.local.bytes, 16);
	__builtin_memcpy(&ip->daddr, sink->tuple.remote.bytes, 16);
}

/* Counts the time to live down, once for all copies, so that no loop of forwarders lasts. 0 if it is used up. */
static __always_inline int count_hop(void *ip, int is_v6)
{
	struct ipv6hdr *v6 = ip;
	struct iphdr *v4 = ip;

	if (is_v6)
		return v6->hop_limit > 1 ? v6->hop_limit-- : 0;
	return v4->ttl > 1 ? v4->ttl-- : 0;
}

/* What is left of the time to live. */
static __always_inline __u8 hops_left(const void *ip, int is_v6)
{
	return is_v6 ? ((const struct ipv6hdr *)ip)->hop_limit : ((const struct iphdr *)ip)->ttl;
}

/* Makes the frame at `data` the copy for `sink`: untagged Ethernet. `original` and `hops` are the packet's, which an
 * earlier copy may have overwritten. `rest` is `sum_of_rest`. With `is_partial` the
 * network stack finishes the checksum. 0 if the sink does not take its payload type, -1 if the frame is too short,
 * which was checked before. */
static __always_inline int rewrite(void *data, void *end, const struct fp_sink *sink, const struct rtp_start *original,
                                   __u8 hops, __u16 rest, int is_partial)
{
	struct ethhdr *ethernet = data;
	void *ip = ethernet + 1;
	int is_v6;
	struct udphdr *udp;
	struct rtp_start *rtp;
	__u8 payload_type;
	__u64 sum;

	if (ip > end)
		return -1;
	is_v6 = ethernet->h_proto == bpf_htons(ETH_P_IPV6);
	udp = is_v6 ? ip + sizeof(struct ipv6hdr) : ip + sizeof(struct iphdr);
	rtp = (void *)(udp + 1);
	if ((void *)(rtp + 1) > end)
		return -1;
	payload_type = sink->payload_types[original->second & 0x7f];
	if (payload_type == FP_UNMAPPED)
		return 0;
	__builtin_memcpy(ethernet->h_dest, sink->destination, 6);
	__builtin_memcpy(ethernet->h_source, sink->source, 6);
	if (is_v6)
		rewrite_ipv6(ip, sink, hops);
	else
		rewrite_ipv4(ip, sink, hops);
	udp->source = sink->tuple.local_port;
	udp->dest = sink->tuple.remote_port;
	rewrite_rtp(rtp, original, sink, payload_type);
	sum = (__u64)sink->sum + udp->len;
	if (is_partial) {
		/* The pseudo-header alone: the ports are in the header too. */
		sum += (__u16)~udp->source;
		sum += (__u16)~udp->dest;
		udp->check = fold(sum);
		return 1;
	}
	sum += udp->len;
	sum += rest;
	sum += sum_words(rtp, sizeof(*rtp) / 2);
	udp->check = ~fold(sum);
	/* 0 would mean that there is none (RFC 768). */
	if (udp->check == 0)
		udp->check = 0xffff;
	return 1;
}
