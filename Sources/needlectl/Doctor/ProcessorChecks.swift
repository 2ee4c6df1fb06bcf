import Foundation

enum ProcessorChecks {
  /// CPU features that SRTP's cryptography is quick with.
  static func all() -> [Finding] {
    guard let text = HostFiles.field("flags", in: "/proc/cpuinfo") else {
      guard let features = HostFiles.field("Features", in: "/proc/cpuinfo") else {
        return [.note("CPU", "its features cannot be read", remedy: "look at /proc/cpuinfo")]
      }
      let hasAES = features.split(separator: " ").contains("aes")
      return [
        hasAES
          ? .ok("CPU aes", "AES instructions; OpenSSL does SRTP")
          : .note("CPU aes", "no AES instructions", remedy: "use a CPU with them")
      ]
    }
    let flags = Set(text.split(separator: " ").map(String.init))
    return [
      required("aes", flags), required("pclmulqdq", flags), required("avx", flags),
      flags.contains("vaes")
        ? .ok("CPU vaes", "wide AES")
        : .note("CPU vaes", "not there: AES one block at a time", remedy: "works; a newer CPU encrypts faster"),
    ]
  }

  private static func required(_ flag: String, _ flags: Set<String>) -> Finding {
    flags.contains(flag)
      ? .ok("CPU \(flag)", "there")
      : .missing("CPU \(flag)", "not there", remedy: "a VM may hide it: set its CPU model to \"host\"")
  }
}
