import CFastPathABI
import CXDP
import Forwarding
import Glibc
import Wire

/// What the XDP program knows of transports and sources, kept in step with the commands. Either all of a route is in
/// the tables or nothing.
struct XDPRoutes {
  private struct Entry {
    var tuple: FiveTuple
    /// SSRCs in the table.
    var ssrcs: Set<UInt32> = []
    var isInstalled = false
  }

  private var entries: [TransportID: Entry] = [:]
  /// Who has an entry: after a peer has roamed to a 5-tuple, it is its alone.
  private var owners: [FiveTuple: TransportID] = [:]
  private var streams: [SourceID: (transport: TransportID, ssrc: UInt32, value: fp_source)] = [:]
  private(set) var sourceCount = 0
  /// Transports whose packets are the network stack's to look at.
  private var leftToStack: Set<TransportID> = []
  /// Transports that found no room.
  private var homeless: Set<TransportID> = []

  var transportCount: Int { owners.count }

  /// What went wrong, for the log; nil if nothing did.
  typealias Complaint = String

  mutating func add(_ id: TransportID, _ tuple: FiveTuple, to program: borrowing XDPProgram) -> Complaint? {
    guard entries[id] == nil else { return nil }
    entries[id] = Entry(tuple: tuple)
    return install(id, in: program)
  }

  mutating func move(_ id: TransportID, to tuple: FiveTuple, in program: borrowing XDPProgram) -> Complaint? {
    guard let old = entries[id], old.tuple != tuple || owners[tuple] != id else { return nil }
    withdraw(id, from: program)
    entries[id] = Entry(tuple: tuple)
    var complaint = install(id, in: program)
    for (source, stream) in streams where stream.transport == id {
      complaint = install(source, in: program) ?? complaint
    }
    return complaint
  }

  mutating func remove(_ id: TransportID, from program: borrowing XDPProgram) {
    guard entries[id] != nil else { return }
    withdraw(id, from: program)
    entries[id] = nil
    leftToStack.remove(id)
    streams = streams.filter { $0.value.transport != id }
  }

  mutating func add(_ source: Source, to program: borrowing XDPProgram) -> Complaint? {
    guard entries[source.transport] != nil, streams[source.id] == nil else { return nil }
    streams[source.id] = (source.transport, source.ssrc, .toWorker)
    return install(source.id, in: program)
  }

  mutating func remove(_ id: SourceID, from program: borrowing XDPProgram) {
    guard let (transport, ssrc, _) = streams.removeValue(forKey: id), let entry = entries[transport] else { return }
    guard entry.ssrcs.contains(ssrc) else { return }
    entries[transport]?.ssrcs.remove(ssrc)
    if owners[entry.tuple] == transport { delete(ssrc, entry.tuple, from: program) }
  }

  /// Has the kernel do something else with a source's packets, from one packet to the next. False if the source is not in
  /// the table: then its packets come to the UDP socket.
  mutating func set(_ id: SourceID, _ value: fp_source, in program: borrowing XDPProgram) -> Bool {
    guard let (transport, ssrc, _) = streams[id] else { return false }
    var entered = value
    entered.trace = streams[id]?.value.trace ?? 0
    streams[id]?.value = entered
    entered = asEntered(entered, transport)
    guard let entry = entries[transport], entry.ssrcs.contains(ssrc), owners[entry.tuple] == transport else {
      return false
    }
    var key = fp_source_key(tuple: fp_tuple(entry.tuple), ssrc: ssrc.bigEndian)
    guard bpf_map_update_elem(program.sources, &key, &entered, UInt64(BPF_EXIST)) == 0 else {
      streams[id]?.value = .toWorker
      return false
    }
    return true
  }

  /// Has a transport's packets pass to the network stack, or no longer.
  mutating func leave(_ id: TransportID, toStack isLeft: Bool, in program: borrowing XDPProgram) {
    guard entries[id] != nil, isLeft != leftToStack.contains(id) else { return }
    if isLeft { leftToStack.insert(id) } else { leftToStack.remove(id) }
    for (source, stream) in streams where stream.transport == id { _ = set(source, stream.value, in: program) }
  }

  private func asEntered(_ value: fp_source, _ transport: TransportID) -> fp_source {
    guard leftToStack.contains(transport) else { return value }
    var value = value
    value.action = UInt32(FP_ACTION_PASS.rawValue)
    return value
  }

  func contains(_ id: SourceID) -> Bool { streams[id] != nil }

  /// Has the programs tell of a source's packets by `trace`, a place in `fp_traces` and one more; 0: no longer. False if
  /// the source is not in the table.
  mutating func trace(_ id: SourceID, _ trace: UInt16, in program: borrowing XDPProgram) -> Bool {
    guard var value = streams[id]?.value else { return false }
    value.trace = trace
    streams[id]?.value = value
    return set(id, value, in: program)
  }

  // MARK: Tables

  private mutating func install(_ id: TransportID, in program: borrowing XDPProgram) -> Complaint? {
    guard let tuple = entries[id]?.tuple else { return nil }
    if let previous = owners[tuple] { withdraw(previous, from: program) }
    var key = fp_tuple(tuple)
    var value = fp_transport(id: id.rawValue)
    guard bpf_map_update_elem(program.transports, &key, &value, UInt64(BPF_ANY)) == 0 else {
      let error = errno
      homeless.insert(id)
      tellWhetherFull(program)
      return
        "no room for transport \(id.rawValue) in the XDP program's table (\(SystemError.text(error))): its packets "
        + "take the socket lane, and strangers' RTP is passed on"
    }
    owners[tuple] = id
    entries[id]?.isInstalled = true
    return nil
  }

  private mutating func install(_ id: SourceID, in program: borrowing XDPProgram) -> Complaint? {
    guard let (transport, ssrc, wanted) = streams[id], let entry = entries[transport], entry.isInstalled else {
      return nil
    }
    guard !entry.ssrcs.contains(ssrc) else { return nil }
    var key = fp_source_key(tuple: fp_tuple(entry.tuple), ssrc: ssrc.bigEndian)
    var value = asEntered(wanted, transport)
    guard bpf_map_update_elem(program.sources, &key, &value, UInt64(BPF_ANY)) == 0 else {
      return
        "no room for source \(id.rawValue) in the XDP program's table (\(SystemError.text(errno))): its packets take "
        + "the socket lane"
    }
    sourceCount += 1
    entries[transport]?.ssrcs.insert(ssrc)
    return nil
  }

  /// Takes the transport and its sources out of the tables.
  private mutating func withdraw(_ id: TransportID, from program: borrowing XDPProgram) {
    if homeless.remove(id) != nil { tellWhetherFull(program) }
    guard let entry = entries[id], entry.isInstalled else { return }
    for ssrc in entry.ssrcs { delete(ssrc, entry.tuple, from: program) }
    entries[id]?.ssrcs = []
    entries[id]?.isInstalled = false
    var key = fp_tuple(entry.tuple)
    bpf_map_delete_elem(program.transports, &key)
    owners[entry.tuple] = nil
  }

  private mutating func delete(_ ssrc: UInt32, _ tuple: FiveTuple, from program: borrowing XDPProgram) {
    var key = fp_source_key(tuple: fp_tuple(tuple), ssrc: ssrc.bigEndian)
    if bpf_map_delete_elem(program.sources, &key) == 0 { sourceCount -= 1 }
  }

  /// While a transport has no entry, an unknown sender may be it.
  private func tellWhetherFull(_ program: borrowing XDPProgram) {
    var key: UInt32 = 0
    var value = fp_settings(pass_unknown_senders: homeless.isEmpty ? 0 : 1)
    bpf_map_update_elem(program.settings, &key, &value, UInt64(BPF_ANY))
  }
}

extension fp_source {
  static let toWorker = {
    var value = fp_source()
    value.action = UInt32(FP_ACTION_XSK.rawValue)
    value.state = FP_NO_STATE
    return value
  }()
}

extension fp_address {
  init(_ ip: IPAddress) {
    self.init()
    let bytes = ip.bytes
    withUnsafeMutableBytes(of: &self) { memory in
      if bytes.count == 4 {
        memory[10] = 0xff
        memory[11] = 0xff
      }
      memory[(16 - bytes.count)...].copyBytes(from: bytes)
    }
  }
}

extension fp_tuple {
  init(_ tuple: FiveTuple) {
    self.init(
      remote: fp_address(tuple.remote.ip), local: fp_address(tuple.local.ip), remote_port: tuple.remote.port.bigEndian,
      local_port: tuple.local.port.bigEndian)
  }
}
