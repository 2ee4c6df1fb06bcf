#include "CBPFObjects.h"

_Alignas(8) static const unsigned char xdp[] = {
#embed "../../bpf/build/xdp.bpf.o"
};
const void *const needletail_xdp_object = xdp;
const size_t needletail_xdp_object_size = sizeof(xdp);

_Alignas(8) static const unsigned char tc[] = {
#embed "../../bpf/build/tc.bpf.o"
};
const void *const needletail_tc_object = tc;
const size_t needletail_tc_object_size = sizeof(tc);

_Alignas(8) static const unsigned char overflow[] = {
#embed "../../bpf/build/overflow.bpf.o"
};
const void *const needletail_overflow_object = overflow;
const size_t needletail_overflow_object_size = sizeof(overflow);
