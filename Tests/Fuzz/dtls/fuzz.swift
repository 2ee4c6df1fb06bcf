import DTLS
import Wire

private let certificate = try? DTLSCertificate.generate()

/// Datagrams from a hostile peer: the first byte chooses our role, then each has two bytes of length before it; a timeout
/// follows each. Nothing may trap or connect.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  var reader = ByteReader([UInt8](UnsafeBufferPointer(start: data, count: size)))
  let role: DTLSRole = (reader.u8() ?? 0) & 1 == 0 ? .server : .client
  guard let certificate,
    let association = try? DTLSAssociation(certificate: certificate, role: role, acceptedFingerprints: [], now: .zero)
  else { return 0 }
  var now = Instant.zero
  var outputs = association.start(now: now)
  while let length = reader.u16(), let datagram = reader.take(min(Int(length), reader.remaining)) {
    outputs += association.received(Array(datagram), now: now)
    now = now.advanced(by: .milliseconds(60))
    outputs += association.timeout(now: now)
  }
  for case .connected in outputs { preconditionFailure("connected without an accepted certificate") }
  return 0
}
