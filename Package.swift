// swift-tools-version: 6.2
import PackageDescription

// Modules by layer: a target may depend only on targets above it in this file (layers 0 to 5 of ARCHITECTURE.md), and names exactly
// those that it imports. Layers 0 to 3 do no I/O and take time as an argument.

let swift: [SwiftSetting] = [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")]

// Where `make install` puts Swift's libraries, for machines without the toolchain.
let installed: [LinkerSetting] = [.unsafeFlags(["-Xlinker", "-rpath=$ORIGIN/../lib/needletail"])]

let package = Package(
  name: "needletail",
  products: [
    .executable(name: "needletail", targets: ["needletail"]),
    .executable(name: "needlectl", targets: ["needlectl"]),
    .executable(name: "needletail-bench", targets: ["needletail-bench"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
  ],
  targets: [
    // 0: bytes, addresses, time; C libraries
    .target(name: "Wire", swiftSettings: swift),
    .systemLibrary(name: "CFastPathABI", path: "bpf/abi"),
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CSRTP", pkgConfig: "libsrtp2", providers: [.apt(["libsrtp2-dev"])]),
    .systemLibrary(name: "CIPsecMB", providers: [.apt(["libipsec-mb-dev"])]),
    .systemLibrary(name: "CXDP", pkgConfig: "libxdp", providers: [.apt(["libxdp-dev", "libbpf-dev"])]),
    .target(name: "CBPFObjects"),

    // 1: codecs and crypto framing
    .target(name: "STUN", dependencies: ["Wire", "COpenSSL"], swiftSettings: swift),
    .target(name: "SDP", dependencies: ["Wire"], swiftSettings: swift),
    .target(name: "PCAPNG", dependencies: ["Wire"], swiftSettings: swift),
    .target(name: "Netlink", dependencies: ["Wire"], swiftSettings: swift),
    .target(name: "RTP", dependencies: ["Wire"], swiftSettings: swift),
    .target(name: "SRTP", dependencies: ["COpenSSL", "CIPsecMB"], swiftSettings: swift),
    .target(name: "DTLS", dependencies: ["Wire", "SRTP", "COpenSSL"], swiftSettings: swift),

    // 2: one connection
    .target(name: "ICE", dependencies: ["Wire", "STUN"], swiftSettings: swift),
    .target(name: "Peer", dependencies: ["Wire", "ICE", "DTLS", "SRTP", "RTP"], swiftSettings: swift),

    // 3: calls and copies
    .target(name: "Forwarding", dependencies: ["Wire", "STUN", "RTP", "SRTP"], swiftSettings: swift),
    .target(
      name: "SFU", dependencies: ["Wire", "SDP", "RTP", "SRTP", "DTLS", "ICE", "Peer", "Forwarding", "PCAPNG"],
      swiftSettings: swift),

    // 4: input and output
    .target(
      name: "FastPath", dependencies: ["Wire", "Netlink", "Forwarding", "CFastPathABI", "CXDP", "CBPFObjects"],
      swiftSettings: swift),
    .target(
      name: "Logs", dependencies: ["Wire", .product(name: "Logging", package: "swift-log")], swiftSettings: swift),
    .target(
      name: "Signalling",
      dependencies: [
        "Wire", "Forwarding", "SFU", "COpenSSL", "Logs",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOWebSocket", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: swift),

    // 5: wiring
    .executableTarget(
      name: "needletail",
      dependencies: [
        "Wire", "Forwarding", "SFU", "DTLS", "FastPath", "Logs", "Signalling",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Yams", package: "Yams"),
      ], swiftSettings: swift, linkerSettings: installed),
    .executableTarget(
      name: "needlectl",
      dependencies: ["Netlink", "CFastPathABI", .product(name: "ArgumentParser", package: "swift-argument-parser")],
      swiftSettings: swift, linkerSettings: installed),
    .executableTarget(
      name: "needletail-bench",
      dependencies: [
        "Wire", "STUN", "SDP", "RTP", "SRTP", "DTLS", "Forwarding", "FastPath", "CSRTP", "CXDP",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOWebSocket", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: swift),

    // Tests, a folder per module
    .testTarget(name: "WireTests", dependencies: ["Wire"], swiftSettings: swift),
    .testTarget(name: "STUNTests", dependencies: ["STUN", "Wire"], swiftSettings: swift),
    .testTarget(name: "SDPTests", dependencies: ["SDP", "Wire"], swiftSettings: swift),
    .testTarget(name: "PCAPNGTests", dependencies: ["PCAPNG", "Wire"], swiftSettings: swift),
    .testTarget(name: "NetlinkTests", dependencies: ["Netlink", "Wire"], swiftSettings: swift),
    .testTarget(name: "RTPTests", dependencies: ["RTP", "Wire"], swiftSettings: swift),
    .testTarget(name: "SRTPTests", dependencies: ["SRTP", "CSRTP"], swiftSettings: swift),
    .testTarget(name: "DTLSTests", dependencies: ["DTLS", "SRTP", "Wire", "COpenSSL"], swiftSettings: swift),
    .testTarget(name: "ICETests", dependencies: ["ICE", "STUN", "Wire"], swiftSettings: swift),
    .testTarget(
      name: "PeerTests", dependencies: ["Peer", "ICE", "STUN", "DTLS", "SRTP", "RTP", "Wire"], swiftSettings: swift),
    .target(name: "AllocationCount", path: "Tests/AllocationCount"),
    .testTarget(
      name: "ForwardingTests", dependencies: ["Forwarding", "RTP", "SRTP", "Wire", "AllocationCount"],
      swiftSettings: swift),
    .testTarget(
      name: "SFUTests",
      dependencies: ["SFU", "SDP", "RTP", "SRTP", "DTLS", "ICE", "STUN", "Forwarding", "Wire", "AllocationCount"],
      swiftSettings: swift),
    .testTarget(
      name: "FastPathTests",
      dependencies: ["FastPath", "Forwarding", "SRTP", "Wire", "CFastPathABI", "CXDP", "CBPFObjects"],
      swiftSettings: swift),
    .testTarget(
      name: "LogsTests", dependencies: ["Logs", "Wire", .product(name: "Logging", package: "swift-log")],
      swiftSettings: swift),
    .testTarget(
      name: "SignallingTests",
      dependencies: [
        "Signalling", "SFU", "Forwarding", "Wire", "COpenSSL",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: swift),
    .testTarget(name: "needlectlTests", dependencies: ["needlectl"], swiftSettings: swift),
  ],
  cxxLanguageStandard: .cxx17
)
