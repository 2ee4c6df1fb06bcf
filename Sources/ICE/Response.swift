import STUN
import Wire

/// The responses to one Binding request, protected with `key` if there is one.
struct Response {
  private let request: STUNMessage
  private let key: [UInt8]?

  init(to request: STUNMessage, key: String?) {
    self.request = request
    self.key = key.map { Array($0.utf8) }
  }

  /// `mapped` is the address that the request came from.
  func success(mapped: SocketAddress) -> [UInt8] { encode(.successResponse, [.xorMappedAddress(mapped)]) }

  func error(_ code: STUNErrorCode) -> [UInt8] { encode(.errorResponse, [.errorCode(code)]) }

  /// 420 with the attributes that the request should not have had.
  func unknownAttributes() -> [UInt8] {
    encode(.errorResponse, [.errorCode(.unknownAttribute), .unknownAttributes(request.unknownComprehensionRequired)])
  }

  private func encode(_ messageClass: STUNClass, _ attributes: [STUNAttribute]) -> [UInt8] {
    STUNMessage(
      class: messageClass, method: request.method, transactionID: request.transactionID, attributes: attributes
    ).encode(integrityKey: key, fingerprint: true)
  }
}
