#!/usr/bin/env python3
"""Checks the layers of ARCHITECTURE.md: every module imports only modules below it and depends on exactly those that it imports,
the lower layers use no system module but those named here, and they do no I/O, start no threads and read no clock."""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# From the lowest to the highest. Within a layer the order counts too: a module may import those before it.
LAYERS = [
    ["Wire", "CFastPathABI", "COpenSSL", "CSRTP", "CIPsecMB", "CXDP", "CBPFObjects"],
    ["STUN", "SDP", "PCAPNG", "Netlink", "RTP", "SRTP", "DTLS"],
    ["ICE", "Peer"],
    ["Forwarding", "SFU"],
    ["FastPath", "Logs", "Signalling"],
    ["needletail", "needlectl", "needletail-bench"],
]
ORDER = [module for layer in LAYERS for module in layer]
PURE = {module for layer in LAYERS[:4] for module in layer}

# What a module may import besides modules of ours and products of its dependencies: the system's modules.
# Addresses are read and written by inet_pton and inet_ntop (Wire); OpenSSL's timer is a timeval (DTLS).
SYSTEM = {"Foundation", "Glibc", "Dispatch", "Synchronization", "Testing"}
SYSTEM_BELOW_IO = {"Wire": {"Glibc"}, "DTLS": {"Glibc"}}
SYSTEM_OF_LAYER = {4: {"Glibc", "Foundation", "Synchronization"}, 5: SYSTEM - {"Testing"}}
# The operator's command line knows the server by its admin socket alone, and what it needs of the host by the contract's limits and
# by how the kernel's tables read.
ONLY = {"needlectl": {"CFastPathABI", "Netlink"}}

IMPORT = re.compile(
    r"(?:^|;)[ \t]*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?"
    r"import\s+(?:(?:typealias|struct|class|enum|protocol|let|var|func)\s+)?(\w+)", re.M)
# Comments, then strings: what is in them is not code.
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|""".*?"""|"(?:\\.|[^"\\\n])*"', re.S)

CALLS = """
    socket bind listen accept connect shutdown send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg
    open openat close read readv pread write writev pwrite ioctl fcntl mmap poll ppoll select epoll_create1 epoll_wait
    fopen fread fwrite fputs printf print debugPrint dump readLine getenv system popen fork syscall
    time clock clock_gettime gettimeofday localtime_r gmtime_r sleep usleep nanosleep
    pthread_create pthread_mutex_lock sem_wait BIO_new_file BIO_new_socket BIO_new_dgram
""".split()
CALL = re.compile(r"(?<!func )(?<!case )(?<![\w.`])(Glibc\s*\.\s*)?(%s)\s*\(" % "|".join(CALLS))
# Clocks, threads and files that are types, and what runs later or elsewhere.
TYPE = re.compile(
    r"\b(?:ContinuousClock|SuspendingClock|DispatchQueue|DispatchTime|DispatchSource\w*|Thread|FileManager|FileHandle"
    r"|ProcessInfo|URLSession|CommandLine|Mutex|Task|TaskGroup|async|await|actor)\b|\b(?:Date|Data)\s*[(.]")


def code(text):
    """`text` without comments and strings, line for line."""
    return NOT_CODE.sub(lambda match: "\n" * match[0].count("\n"), text)


def imports(text):
    return set(IMPORT.findall(code(text)))


def layer(module):
    return next((number for number, modules in enumerate(LAYERS) if module in modules), None)


def import_violations(module, imported):
    """What `module`, a folder of Sources, must not import."""
    system = SYSTEM_OF_LAYER.get(layer(module), SYSTEM_BELOW_IO.get(module, set()))
    for other in sorted(imported):
        if other in ORDER:
            if ORDER.index(other) >= ORDER.index(module):
                yield f"{module} imports {other}, which is not below it"
            elif module in ONLY and other not in ONLY[module]:
                yield f"{module} imports {other}: it may use only {', '.join(sorted(ONLY[module])) or 'none of our modules'}"
        elif other in SYSTEM:
            if other not in system:
                yield f"{module} imports {other}, which is not among the system modules it may use"
        elif module in PURE:
            yield f"{module} imports {other}: layers 0 to 3 use no package"


def dependency_violations(target, imported, declared):
    """Where `declared`, the dependencies in Package.swift, are not what `target` imports."""
    used = {name for name in imported if name not in SYSTEM}
    for name in sorted(used - declared):
        yield f"{target} imports {name}: Package.swift does not say so"
    for name in sorted(declared - used):
        yield f"{target} does not import {name}: Package.swift says it does"


def functions(text):
    """The functions that `text` declares: calling them is not calling libc's of the same name."""
    return set(re.findall(r"\bfunc (\w+)", text))


def purity_violations(text, own):
    """(line, text) of each use of I/O, threads or clocks; `own` are the functions of the module itself."""
    for number, line in enumerate(code(text).splitlines(), 1):
        called = any(libc or name not in own for libc, name in CALL.findall(line))
        if called or TYPE.search(line):
            yield number, line.strip()


def module_violations(module, files):
    """All that is wrong in the source of one module: `files` maps paths to text."""
    if module not in ORDER:
        yield f"{module} is in no layer: add it to LAYERS in scripts/layers.py and to ARCHITECTURE.md"
        return
    for path, text in files.items():
        for problem in import_violations(module, imports(text)):
            yield f"{path}: {problem}"
    if module in PURE:
        own = set().union(*map(functions, files.values()))
        for path, text in files.items():
            for number, line in purity_violations(text, own):
                yield f"{path}:{number}: I/O, threads or clocks in layer 0 to 3: {line}"


def sources(folder):
    return {str(file.relative_to(ROOT)): file.read_text() for file in sorted(folder.rglob("*.swift"))}


def targets():
    """Package.swift's targets that are built from source: (name, folder, dependencies)."""
    dumped = subprocess.run(["swift", "package", "dump-package"], cwd=ROOT, check=True, capture_output=True, text=True)
    for target in json.loads(dumped.stdout)["targets"]:
        if target["type"] == "system":
            continue
        folder = ROOT / (target.get("path") or ("Tests" if target["type"] == "test" else "Sources") + "/" + target["name"])
        yield target["name"], folder, {next(iter(kind.values()))[0] for kind in target["dependencies"]}


def violations():
    for folder in sorted((ROOT / "Sources").iterdir()):
        if folder.is_dir():
            yield from module_violations(folder.name, sources(folder))
    for name, folder, declared in targets():
        imported = set().union(*map(imports, sources(folder).values()))
        yield from dependency_violations(name, imported - {name}, declared)


if __name__ == "__main__":
    found = list(violations())
    print("\n".join(found) if found else "layers: clean")
    sys.exit(bool(found))
