import CFastPathABI
import CXDP
import Forwarding
import Glibc
import Wire

/// Which interfaces the fast path is attached to, and how.
struct Interfaces: ~Copyable {
  private struct Attached {
    var link: Link
    let attachment: XDPAttachment
    let umem: XSKMemory
    /// Place in `fp_xsks`, in units of FP_MAX_QUEUES.
    let place: UInt32
    /// By receive queue; at least the first.
    var slots: [Int]
    /// How many receive queues there were when sockets were last opened.
    var queues: UInt32 = 0
    var note = ""
  }

  let program: XDPProgram
  private let selection: InterfaceSelection
  private let noteFolders: [String]
  private let log: FastPath.Log
  private var attached: [UInt32: Attached] = [:]
  private var refused: [UInt32: RefusedInterface] = [:]
  /// Those configured that are not there or not up.
  private var absent: [InterfaceStatus] = []
  private var loopback: LoopbackSettings?
  private var sending = SendingInterfaces()

  init(_ program: consuming XDPProgram, _ configuration: FastPathConfiguration, log: @escaping FastPath.Log) {
    self.program = program
    selection = InterfaceSelection(
      names: configuration.interfaces, lanes: InterfaceLanes(configuration.interfaceLanes))
    noteFolders = configuration.noteFolders
    self.log = log
  }

  /// The slot of the AF_XDP socket that copies leave by; nil if there is none.
  func socket(onInterface index: UInt32) -> Int? { attached[index]?.slots.first }

  /// Why the kernel lane cannot send by XDP on an interface; nil if it can.
  func reasonAgainstXDP(_ link: Link) -> String? {
    guard let interface = attached[link.index] else { return reason(link) }
    guard interface.attachment.mode == .native else { return "\(link.name) has no native XDP" }
    return sending.reason(link)
  }

  func isNative(_ index: UInt32) -> Bool { attached[index]?.attachment.mode == .native }

  /// Everything the TC program is to be on.
  var attachedIndices: Set<UInt32> { Set(attached.keys) }

  /// Whether there is more to ready at once.
  var isBusy: Bool { sending.isBusy }

  /// Finds out where XDP can send now. Returns whether anything changed.
  mutating func followSending(now: Instant) -> Bool {
    var hasChanged = false
    for interface in attached.values where interface.attachment.mode == .native {
      hasChanged = sending.follow(interface.link, now: now) || hasChanged
    }
    return hasChanged
  }

  /// Goes on with what `followSending` began in an earlier turn. Returns whether an interface can send that could not, or is
  /// refused now.
  mutating func proceedSending(now: Instant) -> Bool { sending.proceed(in: program, now: now, log: log) }

  /// Why there is no socket on an interface.
  func reason(_ link: Link) -> String {
    if let reason = refused[link.index]?.reason { return "\(link.name): \(reason)" }
    if selection.lanes.isSocket(link.name) { return "\(link.name): \(InterfaceLanes.socketReason)" }
    return "\(link.name) is not an interface of the fast path"
  }

  // MARK: Following the host

  /// Attaches to what has come, detaches from what has gone. Returns whether anything changed.
  mutating func follow(_ links: [UInt32: Link], memory: inout PacketMemory, sockets: inout XSKTable, now: Instant)
    -> Bool
  {
    absent = selection.absent(from: links)
    var hasChanged = false
    for (index, interface) in attached {
      if let link = links[index], selection.contains(link), link.name == interface.link.name {
        attached[index]?.link = link
        continue
      }
      detach(index, memory: &memory, sockets: &sockets)
      _ = sending.remove(index)
      hasChanged = true
    }
    for index in refused.keys {
      if let link = links[index], selection.contains(link) { continue }
      refused[index] = nil
    }
    // Real interfaces before `lo`, and every one's first queue before any's others.
    for link in links.values.sorted(by: { ($0.isLoopback ? 1 : 0, $0.index) < ($1.isLoopback ? 1 : 0, $1.index) })
    where selection.contains(link) && attached[link.index] == nil {
      if let known = refused[link.index], !known.isDue(link, now: now) { continue }
      hasChanged = attach(link, memory: &memory, sockets: &sockets, now: now) || hasChanged
    }
    for index in attached.keys.sorted() {
      hasChanged = followQueues(index, memory: &memory, sockets: &sockets) || hasChanged
    }
    return hasChanged
  }

  /// Returns whether the interface's lane or reason changed.
  private mutating func attach(
    _ link: Link, memory: inout PacketMemory, sockets: inout XSKTable, now: Instant
  ) -> Bool {
    do throws(LaneRefusal) {
      attached[link.index] = try open(link, memory: &memory, sockets: &sockets)
      refused[link.index] = nil
      return true
    } catch {
      let last = refused[link.index]
      refused[link.index] = RefusedInterface(link, error, after: last, now: now)
      return last?.reason != error.reason
    }
  }

  /// With the socket of the first receive queue. What can be found out without attaching is found out before: many
  /// drivers restart the link when a program comes or goes.
  private mutating func open(_ link: Link, memory: inout PacketMemory, sockets: inout XSKTable) throws(LaneRefusal)
    -> Attached
  {
    guard link.hardwareAddress.count == 6, link.type == 1 || link.isLoopback else {
      throw LaneRefusal(reason: "it does not carry Ethernet frames")
    }
    if link.vlan != nil { throw LaneRefusal(reason: "it is a VLAN; the interface beneath it can serve it") }
    try leaveAlone(link.index)
    let place = try freePlace()
    let slot = try sockets.slot()
    let queues = EthernetTool.receiveQueues(of: link.name) ?? 1
    let frames = try memory.framesPerQueue(queues, sockets: sockets.freeCount)
    try XSKMemory.check(memory)
    let attachment = try XDPAttachment.attach(program.program, interface: link.index)
    do throws(LaneRefusal) {
      if link.isLoopback { loopback = try LoopbackSettings.hold(notingIn: noteFolders, log: log) }
      let (umem, socket) = try XSKMemory.open(
        link.name, tryZeroCopy: attachment.mode == .native, memory: memory, owner: UInt8(slot))
      sockets.set(slot, socket)
      _ = socket.lendForReceiving(frames, from: &memory)
      return Attached(link: link, attachment: attachment, umem: umem, place: place, slots: [slot])
    } catch {
      if link.isLoopback { releaseLoopback() }
      attachment.detach()
      throw error
    }
  }

  /// Throws if somebody else's program is on an interface. One that was there the last time has the reason that it had then.
  private func leaveAlone(_ index: UInt32) throws(LaneRefusal) {
    guard let program = ForeignProgram.id(onInterface: index) else { return }
    if let last = refused[index]?.refusal, last.program == program { throw last }
    throw ForeignProgram(id: program).refusal
  }

  private func freePlace() throws(LaneRefusal) -> UInt32 {
    let taken = Set(attached.values.map(\.place))
    guard let place = (0..<UInt32(FP_MAX_INTERFACES.rawValue)).first(where: { !taken.contains($0) }) else {
      throw LaneRefusal(reason: "more than \(FP_MAX_INTERFACES.rawValue) interfaces")
    }
    return place
  }

  /// Opens the sockets of receive queues that have none yet, if their number is news. One that cannot be had costs its
  /// queue and those after it. Returns whether the number was news.
  private mutating func followQueues(_ index: UInt32, memory: inout PacketMemory, sockets: inout XSKTable) -> Bool {
    guard var interface = attached[index], let queues = EthernetTool.receiveQueues(of: interface.link.name),
      queues != interface.queues
    else { return false }
    interface.queues = queues
    interface.note = ""
    do throws(LaneRefusal) {
      let frames = try memory.framesPerQueue(queues, sockets: sockets.freeCount)
      for queue in UInt32(interface.slots.count)..<max(queues, UInt32(interface.slots.count)) {
        interface.slots.append(
          try openSocket(interface, queue: queue, frames: frames, memory: &memory, sockets: &sockets))
      }
    } catch {
      interface.note = "queues from \(interface.slots.count) on take the socket lane: \(error.reason)"
    }
    connect(interface, sockets)
    attached[index] = interface
    return true
  }

  private func openSocket(
    _ interface: Attached, queue: UInt32, frames: Int, memory: inout PacketMemory, sockets: inout XSKTable
  ) throws(LaneRefusal) -> Int {
    guard queue < UInt32(FP_MAX_QUEUES.rawValue) else {
      throw LaneRefusal(reason: "more than \(FP_MAX_QUEUES.rawValue) receive queues")
    }
    let slot = try sockets.slot(sparing: Int(FP_MAX_INTERFACES.rawValue) - attached.count)
    let socket = try interface.umem.openSocket(interface.link.name, queue: queue, owner: UInt8(slot))
    sockets.set(slot, socket)
    _ = socket.lendForReceiving(frames, from: &memory)
    return slot
  }

  /// Lets the program steer to the sockets.
  private func connect(_ interface: Attached, _ sockets: borrowing XSKTable) {
    let first = interface.place * UInt32(FP_MAX_QUEUES.rawValue)
    for (queue, slot) in interface.slots.enumerated() {
      var key = first + UInt32(queue)
      var descriptor = sockets.sockets[slot].descriptor
      bpf_map_update_elem(program.xsks, &key, &descriptor, UInt64(BPF_ANY))
    }
    var index = interface.link.index
    var value = fp_interface(first_xsk: first, queues: UInt32(interface.slots.count))
    bpf_map_update_elem(program.interfaces, &index, &value, UInt64(BPF_ANY))
  }

  private mutating func detach(_ index: UInt32, memory: inout PacketMemory, sockets: inout XSKTable) {
    guard let interface = attached.removeValue(forKey: index) else { return }
    var key = index
    bpf_map_delete_elem(program.interfaces, &key)
    interface.attachment.detach()
    for slot in interface.slots { sockets.close(slot, memory: &memory) }
    interface.umem.close()
    if interface.link.isLoopback { releaseLoopback() }
    // Others' queues may find room now.
    for other in attached.keys where attached[other]?.note != "" { attached[other]?.queues = 0 }
  }

  private mutating func releaseLoopback() {
    loopback?.release(log: log)
    loopback = nil
  }

  /// The devmaps go with the program's tables.
  mutating func detachAll(memory: inout PacketMemory, sockets: inout XSKTable) {
    for index in attached.keys { detach(index, memory: &memory, sockets: &sockets) }
  }

  // MARK: Telling

  var statuses: [InterfaceStatus] {
    let good = attached.values.map { interface in
      InterfaceStatus(
        name: interface.link.name, index: interface.link.index, xdpMode: interface.attachment.mode.rawValue,
        xskMode: interface.umem.isZeroCopy ? "zero-copy" : "copy", queues: interface.slots.count, lane: .xsk,
        reason: interface.note)
    }
    let bad = refused.values.map {
      InterfaceStatus(socketLaneOn: $0.link.name, index: $0.link.index, reason: $0.reason)
    }
    return (absent + good + bad).sorted { $0.index < $1.index }
  }
}
