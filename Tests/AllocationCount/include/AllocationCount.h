#pragma once

#include <stdint.h>

/// How often this thread has asked for memory so far: the C library's functions are replaced by ones that count.
uint64_t allocation_count(void);
