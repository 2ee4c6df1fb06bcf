import CXDP
import Glibc

/// The XDP program on one interface, by a BPF link: it goes when the descriptor is closed, also by the end of the
/// process.
struct XDPAttachment {
  enum Mode: String { case native, generic }

  let link: CInt
  let mode: Mode

  /// Attaches in the driver, else in the network stack. Another XDP program on the interface is left alone.
  static func attach(_ program: CInt, interface: UInt32) throws(LaneRefusal) -> XDPAttachment {
    if let link = link(program, interface, flags: UInt32(XDP_FLAGS_DRV_MODE)) {
      return XDPAttachment(link: link, mode: .native)
    }
    if let link = link(program, interface, flags: UInt32(XDP_FLAGS_SKB_MODE)) {
      return XDPAttachment(link: link, mode: .generic)
    }
    let error = errno
    // Attached by somebody else since we looked.
    if let other = ForeignProgram.id(onInterface: interface) { throw ForeignProgram(id: other).refusal }
    throw LaneRefusal(reason: "it has no XDP support (\(SystemError.text(error)))")
  }

  func detach() { close(link) }

  private static func link(_ program: CInt, _ interface: UInt32, flags: UInt32) -> CInt? {
    var options = bpf_link_create_opts()
    options.sz = MemoryLayout<bpf_link_create_opts>.size
    options.flags = flags
    let link = bpf_link_create(program, CInt(truncatingIfNeeded: interface), BPF_XDP, &options)
    return link >= 0 ? link : nil
  }
}

/// Somebody else's XDP program.
struct ForeignProgram: CustomStringConvertible {
  let id: UInt32
  let name: String
  /// Processes that hold it or its link.
  let owners: [String]

  /// Looks for its owners everywhere, which takes long.
  init(id: UInt32) {
    self.id = id
    name = Self.name(of: id)
    owners = Self.holders(of: id)
  }

  var description: String {
    let who = owners.isEmpty ? "" : " of \(owners.joined(separator: ", "))"
    return "another XDP program (\(name.isEmpty ? "without name" : name), id \(id)\(who))"
  }

  var refusal: LaneRefusal { LaneRefusal(reason: "\(self) is attached to it", program: id) }

  /// The number of the program on an interface; nil if there is none.
  static func id(onInterface interface: UInt32) -> UInt32? {
    var query = bpf_xdp_query_opts()
    query.sz = MemoryLayout<bpf_xdp_query_opts>.size
    guard bpf_xdp_query(CInt(truncatingIfNeeded: interface), 0, &query) == 0 else { return nil }
    return [query.prog_id, query.drv_prog_id, query.hw_prog_id, query.skb_prog_id].first { $0 != 0 }
  }

  private static func name(of id: UInt32) -> String {
    let descriptor = bpf_prog_get_fd_by_id(id)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var information = bpf_prog_info()
    var size = UInt32(MemoryLayout<bpf_prog_info>.size)
    guard bpf_obj_get_info_by_fd(descriptor, &information, &size) == 0 else { return "" }
    return withUnsafeBytes(of: information.name) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  /// By what /proc says of every process's descriptors; as many as we may read.
  private static func holders(of id: UInt32) -> [String] {
    TextFile.entries(of: "/proc").filter { UInt32($0) != nil }.compactMap { process in
      let holds = TextFile.entries(of: "/proc/\(process)/fdinfo").contains { descriptor in
        let text = TextFile.read("/proc/\(process)/fdinfo/\(descriptor)") ?? ""
        return text.split(separator: "\n").contains("prog_id:\t\(id)")
      }
      guard holds, let name = TextFile.read("/proc/\(process)/comm") else { return nil }
      return "\(name.filter { !$0.isNewline }) (process \(process))"
    }
  }
}
