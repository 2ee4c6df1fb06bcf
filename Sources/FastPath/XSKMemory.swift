import CXDP
import Glibc

/// The packet memory, registered for the AF_XDP sockets of one interface, each of which has fill and completion rings of
/// its own. The kernel counts it as locked memory once for each interface. Interfaces cannot share it: all sockets are
/// in the mode of the first, and none can be added once that one's interface is gone.
///
/// A plain value of pointers: whoever gets one must call `close` once, after all sockets are closed.
struct XSKMemory {
  let isZeroCopy: Bool
  private let umem: OpaquePointer
  // What libxdp keeps until there is a socket.
  private let fill: UnsafeMutablePointer<xsk_ring_prod>
  private let completion: UnsafeMutablePointer<xsk_ring_cons>

  /// Throws if the memory cannot be registered, which is found out without touching any interface.
  static func check(_ memory: borrowing PacketMemory) throws(LaneRefusal) {
    try register(memory, isZeroCopy: false).close()
  }

  /// With the socket of receive queue 0: in zero-copy mode if the driver can, else in copy mode.
  static func open(
    _ interface: String, tryZeroCopy: Bool, memory: borrowing PacketMemory, owner: UInt8
  ) throws(LaneRefusal) -> (XSKMemory, XSKSocket) {
    if tryZeroCopy, let opened = try? open(interface, isZeroCopy: true, memory: memory, owner: owner) { return opened }
    return try open(interface, isZeroCopy: false, memory: memory, owner: owner)
  }

  private static func open(
    _ interface: String, isZeroCopy: Bool, memory: borrowing PacketMemory, owner: UInt8
  ) throws(LaneRefusal) -> (XSKMemory, XSKSocket) {
    let registered = try register(memory, isZeroCopy: isZeroCopy)
    do throws(LaneRefusal) {
      return (registered, try registered.openSocket(interface, queue: 0, owner: owner))
    } catch {
      registered.close()
      throw error
    }
  }

  private static func register(_ memory: borrowing PacketMemory, isZeroCopy: Bool) throws(LaneRefusal) -> XSKMemory {
    var umem: OpaquePointer?
    let fill = UnsafeMutablePointer<xsk_ring_prod>.allocate(capacity: 1)
    let completion = UnsafeMutablePointer<xsk_ring_cons>.allocate(capacity: 1)
    fill.initialize(to: xsk_ring_prod())
    completion.initialize(to: xsk_ring_cons())
    var configuration = xsk_umem_config(
      fill_size: XSKSocket.ringSize, comp_size: XSKSocket.ringSize, frame_size: UInt32(PacketMemory.frameSize),
      frame_headroom: 0, flags: 0)
    let error = -xsk_umem__create(&umem, memory.base, UInt64(memory.byteCount), fill, completion, &configuration)
    guard error == 0, let umem else {
      fill.deallocate()
      completion.deallocate()
      throw refusal(error, "AF_XDP memory")
    }
    return XSKMemory(isZeroCopy: isZeroCopy, umem: umem, fill: fill, completion: completion)
  }

  func openSocket(_ interface: String, queue: UInt32, owner: UInt8) throws(LaneRefusal) -> XSKSocket {
    let rings = XSKSocket.Rings.allocate()
    var socket: OpaquePointer?
    var configuration = xsk_socket_config()
    configuration.rx_size = XSKSocket.ringSize
    configuration.tx_size = XSKSocket.ringSize
    configuration.libxdp_flags = UInt32(XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD)
    // Of the first socket; the others' are as these.
    configuration.bind_flags = UInt16(XDP_USE_NEED_WAKEUP) | UInt16(isZeroCopy ? XDP_ZEROCOPY : XDP_COPY)
    let error = -xsk_socket__create_shared(
      &socket, interface, queue, umem, rings.rx, rings.tx, rings.fill, rings.completion, &configuration)
    guard error == 0, let socket else {
      rings.deallocate()
      throw Self.refusal(error, "an AF_XDP socket on queue \(queue)")
    }
    return XSKSocket(rings, socket, isZeroCopy: isZeroCopy, owner: owner)
  }

  func close() {
    xsk_umem__delete(umem)
    fill.deallocate()
    completion.deallocate()
  }

  private static func refusal(_ error: CInt, _ what: String) -> LaneRefusal {
    switch error {
    case EPERM, EACCES: LaneRefusal(reason: "no permission for \(what): \(Capabilities.remedy)")
    case ENOBUFS, ENOMEM:
      LaneRefusal(reason: "no memory for \(what): raise the limit of locked memory (LimitMEMLOCK=infinity)")
    case EBUSY: LaneRefusal(reason: "no \(what): another program has one there")
    default: LaneRefusal(reason: "no \(what): \(SystemError.text(error))")
    }
  }
}
