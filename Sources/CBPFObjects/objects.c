#include "CBPFObjects.h"

_Alignas(8) const unsigned char needletail_xdp_object[] = {
#embed "../../bpf/build/xdp.bpf.o"
};
const size_t needletail_xdp_object_size = sizeof(needletail_xdp_object);
