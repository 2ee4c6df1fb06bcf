import NIOCore
import NIOWebSocket

@testable import Requests

/// What a WebSocket client sends, in pieces: the first octet says how long each is. However it is cut, the same messages
/// come of it; none is longer than the limit, and of an unfinished one nothing is kept beyond it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  let octets = UnsafeBufferPointer(start: data, count: size)
  guard let piece = octets.first, piece > 0 else { return 0 }
  let whole = read(Array(octets.dropFirst()), by: max(1, size))
  let pieces = read(Array(octets.dropFirst()), by: Int(piece))
  precondition(whole == pieces)
  return 0
}

private enum Heard: Equatable {
  case message(MessageAssembly.Outcome)
  case control(WebSocketOpcode, [UInt8])
  case violation(String)
  case failure(FrameReader.Failure)
}

private let limit = 40

private func read(_ octets: [UInt8], by step: Int) -> [Heard] {
  let budget = InputBudget(capacity: 1000)
  let claim = InputClaim(budget, nil)
  var reader = FrameReader(maximumLength: limit * 4)
  var assembly = MessageAssembly(limit: limit, claim: claim)
  var heard: [Heard] = []
  var frame = FrameReader.Head(isFinal: true, opcode: .text, length: 0)
  var control: [UInt8] = []
  var rest = octets[...]
  while !rest.isEmpty {
    var input = ByteBuffer(bytes: rest.prefix(step))
    rest = rest.dropFirst(step)
    do throws(FrameReader.Failure) {
      while let part = try reader.next(&input) {
        switch part {
        case .head(let head):
          precondition(head.length <= limit * 4)
          (frame, control) = (head, [])
          if !head.opcode.isControlOpcode, let reason = assembly.frameBegan(head.opcode) {
            return heard + [.violation(reason)]
          }
        case .payload(let data, let isLast):
          if frame.opcode.isControlOpcode {
            control += data.readableBytesView
            precondition(control.count <= 125 && frame.isFinal)
            if isLast { heard.append(.control(frame.opcode, control)) }
          } else {
            assembly.append(data)
            if isLast, let outcome = assembly.frameEnded(isFinal: frame.isFinal) { heard.append(.message(outcome)) }
          }
        }
      }
    } catch {
      return heard + [.failure(error)]
    }
  }
  for case .message(.text(let text)) in heard { precondition(text.count <= limit) }
  assembly.abandon()
  precondition(budget.held == 0)
  return heard
}
