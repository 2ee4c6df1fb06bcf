/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Copies that an interface had no room for. Its driver takes what fits of a bulk, and the kernel tells of the rest in a
 * tracepoint alone, right after the devmap's program has run for the bulk, on the same processor. */
#include "broadcast.h"

struct net_device {
	int ifindex;
} __attribute__((preserve_access_index));

/* By interface. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FP_MAX_INTERFACES);
	__type(key, __u32);
	__type(value, struct fp_overflow);
} fp_overflows SEC(".maps");

SEC("tp_btf/xdp_devmap_xmit")
int needletail_overflow(__u64 *arguments)
{
	const struct net_device *to = (const struct net_device *)arguments[1];
	int sent = arguments[2];
	__u32 zero = 0, index = to->ifindex;
	struct fp_progress *progress = bpf_map_lookup_elem(&fp_progress, &zero);
	struct fp_overflow *overflow;
	struct fp_overflow none = {};
	__u32 made;

	/* Somebody else's bulk. */
	if (!progress || progress->made == 0)
		return 0;
	made = progress->made;
	progress->made = 0;
	overflow = bpf_map_lookup_elem(&fp_overflows, &index);
	if (!overflow) {
		bpf_map_update_elem(&fp_overflows, &index, &none, BPF_NOEXIST);
		overflow = bpf_map_lookup_elem(&fp_overflows, &index);
	}
	if (!overflow)
		return 0;
	__sync_fetch_and_add(&overflow->made, made);
	if (sent >= 0 && (__u32)sent < made)
		__sync_fetch_and_add(&overflow->lost, made - sent);
	return 0;
}

char _license[] SEC("license") = "GPL";
