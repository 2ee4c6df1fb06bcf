#!/usr/bin/env python3
"""Checks that each module imports only modules of its own dependency list, and that layers 0 to 3 do no I/O."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYERS = [
    ["Wire", "CFastPathABI", "COpenSSL", "CSRTP", "CIPsecMB", "CXDP", "CBPFObjects"],
    ["STUN", "SDP", "PCAPNG", "RTP", "SRTP", "DTLS"],
    ["ICE", "Peer"],
    ["Forwarding", "SFU"],
    ["FastPath", "Signalling"],
    ["needletail", "needlectl", "needletail-bench"],
]
# Within a layer the order above counts too: a module may import those before it.
ORDER = [module for layer in LAYERS for module in layer]
IO = re.compile(r"\b(socket|sendto|recvfrom|recvmmsg|sendmmsg|clock_gettime|usleep|nanosleep|pthread_create|Thread|Date)\(")
PURE = {module for layer in LAYERS[:4] for module in layer}


def violations():
    for folder in sorted((ROOT / "Sources").iterdir()):
        for file in sorted(folder.rglob("*.swift")):
            text = file.read_text()
            for module in re.findall(r"^(?:@\w+ )?import (?:struct |class |enum )?(\w+)", text, re.M):
                if module in ORDER and ORDER.index(module) >= ORDER.index(folder.name):
                    yield f"{file.relative_to(ROOT)}: {folder.name} imports {module}, which is not below it"
            if folder.name in PURE:
                for number, line in enumerate(text.splitlines(), 1):
                    if IO.search(line) and not line.lstrip().startswith("//"):
                        yield f"{file.relative_to(ROOT)}:{number}: I/O, threads or clocks in layer 0 to 3: {line.strip()}"


found = list(violations())
print("\n".join(found) if found else "layers: clean")
sys.exit(bool(found))
