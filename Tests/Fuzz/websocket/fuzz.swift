import Foundation
import Signalling

/// Any text a client may send: the decoder answers with a message or an error, and never traps.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  _ = try? ReceivedMessage.decode([UInt8](UnsafeBufferPointer(start: data, count: size)))
  return 0
}
