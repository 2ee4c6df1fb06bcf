import CBPFObjects
import CFastPathABI
import CXDP
import Forwarding
import Glibc

/// The TC program, on the XDP program's tables. Attached by links that go with this value, or with the process.
final class TCProgram {
  private let object: OpaquePointer
  private let verdicts: CInt
  private var links: [UInt32: CInt] = [:]

  private static let ingress = bpf_attach_type(46)  // BPF_TCX_INGRESS (Linux 6.6), newer than libbpf 1.1

  init(port: UInt16, sharing program: borrowing XDPProgram) throws(LaneRefusal) {
    guard let object = bpf_object__open_mem(needletail_tc_object, needletail_tc_object_size, nil) else {
      throw LaneRefusal(reason: "the TC program is damaged")
    }
    self.object = object
    do throws(LaneRefusal) {
      try XDPProgram.set(port: port, in: object)
      program.share(with: object)
      try XDPProgram.load(object)
      verdicts = try XDPProgram.map("fp_verdicts", in: object)
    } catch {
      bpf_object__close(object)
      throw error
    }
  }

  deinit {
    for link in links.values { close(link) }
    bpf_object__close(object)
  }

  /// Attaches to the interfaces given and to no others. Returns why it failed where it did.
  func follow(_ interfaces: Set<UInt32>) -> [UInt32: String] {
    for (index, link) in links where !interfaces.contains(index) {
      close(link)
      links[index] = nil
    }
    var refused: [UInt32: String] = [:]
    for index in interfaces where links[index] == nil {
      let link = bpf_link_create(
        program, CInt(truncatingIfNeeded: index), Self.ingress, nil)
      if link >= 0 {
        links[index] = link
      } else {
        refused[index] = "the TC program cannot be attached (\(SystemError.text(errno)); it needs Linux 6.6)"
      }
    }
    return refused
  }

  var interfaces: Set<UInt32> { Set(links.keys) }

  func programs() -> [ProgramStatus] {
    [XDPProgram.status("needletail_tc", program)].compactMap { $0 }
  }

  private var program: CInt { bpf_program__fd(bpf_object__find_program_by_name(object, "needletail_tc")) }

  func verdictCounts() -> [(name: String, count: UInt64)] { XDPProgram.verdictCounts(verdicts, prefix: "tc") }
}
