/* The compiled eBPF programs of bpf/, as `make -C bpf` left them. */
#pragma once

#include <stddef.h>

/* ELF, as clang made it. */
extern const void *const needletail_xdp_object;
extern const size_t needletail_xdp_object_size;
extern const void *const needletail_tc_object;
extern const size_t needletail_tc_object_size;
extern const void *const needletail_overflow_object;
extern const size_t needletail_overflow_object_size;
