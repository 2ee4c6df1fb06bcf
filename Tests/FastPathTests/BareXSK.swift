import CXDP
import Glibc

/// An AF_XDP socket on queue 0 of an interface, and nothing more.
final class BareXSK {
  let descriptor: CInt
  private let memory: UnsafeMutableRawPointer
  private var umem: OpaquePointer?
  private var socket: OpaquePointer?
  // libxdp keeps their addresses.
  private let fill = UnsafeMutablePointer<xsk_ring_prod>.allocate(capacity: 1)
  private let completion = UnsafeMutablePointer<xsk_ring_cons>.allocate(capacity: 1)
  private let rx = UnsafeMutablePointer<xsk_ring_cons>.allocate(capacity: 1)

  init(interface: String) throws {
    libxdp_set_print(nil)
    memory = .allocate(byteCount: 64 * 4096, alignment: 4096)
    var configuration = xsk_socket_config()
    configuration.rx_size = 64
    configuration.libxdp_flags = UInt32(XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD)
    configuration.bind_flags = UInt16(XDP_COPY)
    guard xsk_umem__create(&umem, memory, 64 * 4096, fill, completion, nil) == 0,
      xsk_socket__create(&socket, interface, 0, umem, rx, nil, &configuration) == 0
    else { throw TestProgram.Failure(what: "AF_XDP socket: \(errno)") }
    descriptor = xsk_socket__fd(socket)
  }

  deinit {
    xsk_socket__delete(socket)
    xsk_umem__delete(umem)
    fill.deallocate()
    completion.deallocate()
    rx.deallocate()
    memory.deallocate()
  }
}
