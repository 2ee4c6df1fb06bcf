import STUN

/// Whatever parses must survive encoding, and no check of it may trap.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  let bytes = [UInt8](UnsafeBufferPointer(start: data, count: size))
  _ = bytes.withUnsafeBytes { STUNMessage.username(ofRequest: $0)?.count }
  guard let message = try? STUNMessage.decode(bytes) else { return 0 }
  _ = message.verifyIntegrity(of: bytes, key: [1, 2, 3]) || message.fingerprintIsValid(bytes)
  precondition((try? STUNMessage.decode(message.encode())) == message)
  return 0
}
