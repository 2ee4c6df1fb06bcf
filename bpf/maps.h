/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The tables. User space writes them; the program reads them and counts. */
#pragma once

#include "abi/fastpath.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Set before loading. */
const volatile __u16 fp_media_port = 0; /* network order */

/* The 5-tuples that may send RTP. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FP_MAX_TRANSPORTS);
	__type(key, struct fp_tuple);
	__type(value, struct fp_transport);
} fp_transports SEC(".maps");

/* The 5-tuples of STUN, as it is on the cable: the worker sees it after the host translated its addresses, if it does.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FP_MAX_CHECKS);
	__type(key, struct fp_tuple);
	__type(value, __u32);
} fp_checks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FP_MAX_SOURCES);
	__type(key, struct fp_source_key);
	__type(value, struct fp_source);
} fp_sources SEC(".maps");

/* The host's own addresses: what is on its way through this host to another is left alone. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FP_MAX_LOCAL_ADDRESSES);
	__type(key, struct fp_address);
	__type(value, __u32);
} fp_local_addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fp_settings);
} fp_settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FP_MAX_INTERFACES);
	__type(key, __u32);
	__type(value, struct fp_interface);
} fp_interfaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, FP_MAX_XSKS);
	__type(key, __u32);
	__type(value, __u32);
} fp_xsks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FP_VERDICT_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} fp_verdicts SEC(".maps");

/* Mapped into the worker's memory. Ranges of sinks are written before an entry of `fp_sources` names them, and not
 * again until a second after none does. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FP_MAX_SINKS);
	__type(key, __u32);
	__type(value, struct fp_sink);
} fp_sinks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FP_MAX_SINKS);
	__type(key, __u32);
	__type(value, struct fp_sink_counters);
} fp_sink_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FP_MAX_ROUTED_SOURCES);
	__type(key, __u32);
	__type(value, struct fp_source_state);
} fp_source_states SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FP_MAX_TRACES);
	__type(key, __u32);
	__type(value, struct fp_trace);
} fp_traces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, FP_TRACE_RING);
} fp_trace_events SEC(".maps");

static __always_inline void count(enum fp_verdict verdict)
{
	__u32 key = verdict;
	__u64 *counter = bpf_map_lookup_elem(&fp_verdicts, &key);

	if (counter)
		++*counter;
}
