#!/usr/bin/env python3
"""What layers.py must find, and what it must let pass: a check that finds nothing says nothing."""
import sys

from layers import dependency_violations, imports, module_violations

# A module and a source file of it that breaks the layers.
BAD = [
    ("RTP", "import Wire\nimport SFU"),
    ("RTP", "internal import SFU"),
    ("RTP", "public import SFU"),
    ("RTP", "import func SFU.negotiate"),
    ("RTP", "@_spi(Testing) import SFU"),
    ("RTP", "@preconcurrency\nimport SFU"),
    ("RTP", "@testable @_spi(Testing) internal import struct SFU.Room"),
    ("RTP", "#if DEBUG\n  import SFU\n#endif"),
    ("RTP", "import Wire; import SFU"),
    ("RTP", "import RTP"),
    ("SFU", "import Foundation"),
    ("SFU", "import NIOPosix"),
    ("SFU", "internal import Glibc"),
    ("SFU", "import Synchronization"),
    ("ICE", "import STUN\nimport Peer"),
    ("Signalling", "import needletail"),
    ("Signalling", "import Dispatch"),
    ("FastPath", "import Testing"),
    ("needlectl", "import SFU"),
    ("needlectl", "import Wire"),
    ("Utilities", "let x = 1"),
    ("SFU", "let now = ContinuousClock.now"),
    ("SFU", "let now = Date.now"),
    ("SFU", "let now = Date()"),
    ("SFU", "Task { work() }"),
    ("SFU", "Task.detached { work() }"),
    ("SFU", "func wait() async {}"),
    ("SFU", 'let file = open("/etc/passwd", O_RDONLY)'),
    ("SFU", "let count = read(descriptor, buffer, 10)"),
    ("SFU", "_ = write(descriptor, buffer, 10)"),
    ("SFU", "send(descriptor, buffer, 10, 0)"),
    ("SFU", "recv (descriptor, buffer, 10, 0)"),
    ("SFU", "func read() {}\nlet count = Glibc.read(descriptor, buffer, 10)"),
    ("SFU", "DispatchQueue.main"),
    ("SFU", "let thread = Thread(block: work)"),
    ("SFU", "clock_gettime(CLOCK_MONOTONIC, &time)"),
    ("SFU", "gettimeofday(&time, nil)"),
    ("SFU", "sleep(1)"),
    ("SFU", "let bytes = Data(contentsOf: url)"),
    ("SFU", 'print("here")'),
]

GOOD = [
    ("RTP", "import Wire\n// import SFU\n/* sleep(1) */"),
    ("RTP", 'let text = "import SFU; sleep(1)"\nlet more = """\n  import SFU\n  """'),
    ("DTLS", "import COpenSSL\nimport Glibc\nimport Wire"),
    ("SFU", "func send(_ bytes: [UInt8]) {}\nfunc reply() { send([1]) }"),
    ("SFU", "peer.send(bytes); connection.close(); agent.read(now: now)"),
    ("SFU", "case send([UInt8])\ncase .connect(let room): joined()"),
    ("SFU", "let time = arrivalTime(packet)"),
    ("needletail", "import Foundation\nimport NIOPosix\nimport SFU\nTask { print(Date()) }"),
]


def failures():
    for module, text in BAD:
        if not list(module_violations(module, {"sample": text})):
            yield f"found nothing wrong in {module}: {text!r}"
    for module, text in GOOD:
        for problem in module_violations(module, {"sample": text}):
            yield f"{module}, {text!r}: {problem}"
    if list(dependency_violations("SFU", imports("import Wire\nimport Foundation"), {"Wire"})):
        yield "dependencies that are all used and declared were not let pass"
    for declared in [set(), {"Wire", "RTP"}]:
        if not list(dependency_violations("SFU", {"Wire"}, declared)):
            yield f"imports Wire and declares {declared}: nothing found wrong"


found = list(failures())
print("\n".join(found) if found else f"layers.py: finds {len(BAD)} bad samples")
sys.exit(bool(found))
