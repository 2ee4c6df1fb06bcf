import COpenSSL
import Glibc
import Wire

/// What OpenSSL reads and writes instead of a socket: a BIO that keeps datagrams apart, one read or write each, and that
/// takes OpenSSL's retransmission timer off the wall clock.
///
/// OpenSSL's DTLS timer compares a deadline with the time of day at every read. It tells the BIO of each change by a pointer
/// to that deadline (BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT). Up to version 3.1 this is the deadline itself: the channel moves it
/// out of reach, so that nothing expires on its own, and into the past when the association's own schedule says so
/// (`expireTimer`). Later versions hand over a copy; there the wall clock has the last word and a retransmission that our
/// schedule asks for too early is simply asked for again.
final class DatagramChannel {
  enum Timer: Hashable {
    case unchanged
    case armed(Interval)
    case stopped
  }

  /// RFC 6347 section 4.2.4.1 suggests one second at first; a join should not wait so long for one lost packet. 50 ms is what
  /// browsers use. With the cap, OpenSSL's limit of 12 retransmissions lies beyond our limit on the whole handshake.
  static let firstInterval = Interval.milliseconds(50)
  static let longestInterval = Interval.seconds(5)

  private var inbound: [UInt8]?
  private var outbound: [[UInt8]] = []
  private var timer = Timer.unchanged
  private var interval = firstInterval
  /// OpenSSL's deadline, inside the SSL object that owns our BIO; nil where it hands out copies.
  private var deadline: UnsafeMutablePointer<timeval>?
  private static let deadlineIsShared = OpenSSL_version_num() < 0x3020_0000

  /// Gives `ssl` this channel for reading and writing. The owner keeps the channel alive until after SSL_free.
  func attach(to ssl: OpaquePointer) throws(OpenSSLError) {
    let bio = try required(BIO_new(DatagramBIOMethod.shared.pointer), "BIO_new")
    BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
    BIO_set_init(bio, 1)
    SSL_set_bio(ssl, bio, bio)  // takes `bio`
  }

  /// The next datagram OpenSSL will read.
  func put(_ datagram: [UInt8]) { inbound = datagram }

  /// Everything OpenSSL wrote since the last call.
  func takeOutbound() -> [[UInt8]] {
    defer { outbound.removeAll() }
    return outbound
  }

  /// What became of the retransmission timer since the last call.
  func takeTimer() -> Timer {
    defer { timer = .unchanged }
    return timer
  }

  /// Makes OpenSSL find its timer expired.
  func expireTimer() { deadline?.pointee = timeval(tv_sec: 1, tv_usec: 0) }

  /// The interval that follows `previous`, both in microseconds; 0 begins a flight.
  func nextInterval(after previous: UInt32) -> UInt32 {
    let doubled = Interval(nanoseconds: UInt64(previous) &* 2000)
    interval = previous == 0 ? Self.firstInterval : min(doubled, Self.longestInterval)
    return UInt32(truncatingIfNeeded: interval.nanoseconds / 1000)
  }
}

/// What OpenSSL calls.
extension DatagramChannel {
  fileprivate func read(into buffer: UnsafeMutableRawBufferPointer) -> Int32? {
    guard let datagram = inbound else { return nil }
    inbound = nil
    let count = min(datagram.count, buffer.count)  // the rest is lost, as with recv(2)
    datagram.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    return Int32(clamping: count)
  }

  fileprivate func write(_ datagram: UnsafeRawBufferPointer) { outbound.append(Array(datagram)) }

  fileprivate func timerChanged(_ deadline: UnsafeMutablePointer<timeval>) {
    if Self.deadlineIsShared { self.deadline = deadline }
    guard deadline.pointee.tv_sec != 0 || deadline.pointee.tv_usec != 0 else {
      timer = .stopped
      return
    }
    timer = .armed(interval)
    if Self.deadlineIsShared { deadline.pointee = timeval(tv_sec: .max / 2, tv_usec: 0) }
  }

  /// Answers BIO_ctrl; 0 is "not supported".
  fileprivate func control(_ command: Int32, _ argument: UnsafeMutableRawPointer?) -> Int {
    switch command {
    case BIO_CTRL_FLUSH: return 1
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
      argument.map { timerChanged($0.assumingMemoryBound(to: timeval.self)) }
      return 1
    default: return 0
    }
  }
}

/// OpenSSL's table of the functions above, made once and never freed.
// @unchecked Sendable although a pointer is not: init alone writes the table, `static let` publishes it, OpenSSL only
// reads it.
private final class DatagramBIOMethod: @unchecked Sendable {
  let pointer: OpaquePointer?

  static let shared = DatagramBIOMethod()

  private init() {
    pointer = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams")
    guard let pointer else { return }
    BIO_meth_set_read(pointer) { bio, buffer, count in
      BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
      guard let channel = channel(of: bio), let buffer, count > 0 else { return -1 }
      if let read = channel.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: Int(count))) { return read }
      BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
      return -1
    }
    BIO_meth_set_write(pointer) { bio, bytes, count in
      BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
      guard let channel = channel(of: bio), let bytes, count > 0 else { return -1 }
      channel.write(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
      return count
    }
    BIO_meth_set_ctrl(pointer) { bio, command, _, argument in channel(of: bio)?.control(command, argument) ?? 0 }
  }
}

private func channel(of bio: OpaquePointer?) -> DatagramChannel? {
  BIO_get_data(bio).map { Unmanaged<DatagramChannel>.fromOpaque($0).takeUnretainedValue() }
}
