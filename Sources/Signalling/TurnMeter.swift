import NIOCore
import Wire

/// First in a connection's pipeline: whatever its octets lead to, TLS included, is one input, and the client pays for it. What
/// would make the input too long waits for another turn of the loop, and what is beyond the client's share for longer.
final class TurnMeter: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  /// What becomes of a client that has more of the event loop than its share.
  struct Account {
    /// It had so much, as one of its network.
    var spent: (Interval) -> Void
    /// How long its network is to wait.
    var pause: () -> TimeAmount
    /// It is not read for a while.
    var paused: () -> Void
    /// It has gone, and it would have taken so long to pay what it owes.
    var left: (TimeAmount) -> Void
  }

  private let turns: LoopTurns
  private let input: String
  private let account: Account?
  private var share = ProcessorShare.ofConnection
  private var context: ChannelHandlerContext?
  /// What was read and waits; nothing is read meanwhile.
  private var waiting: (octets: ByteBuffer, until: Scheduled<Void>)?

  /// Octets of which each part is small enough to be done with before the next is begun.
  private static let slice = 4096
  /// Work after which a client's next slice waits for another turn.
  private static let longestTurn = Interval.milliseconds(5)
  /// So that the loop looks at its other connections and at the media: a task without delay would run before.
  private static let otherTurn = TimeAmount.microseconds(50)

  /// Many connections may wait for one share: none looks more often.
  private static let queueing = TimeAmount.milliseconds(50)

  /// `account`: nil for a client that may have all it wants, an operator.
  init(_ turns: LoopTurns, _ input: String, _ account: Account? = nil) {
    self.turns = turns
    self.input = input
    self.account = account
  }

  /// How long the client's next input is to wait.
  var pause: TimeAmount { account.map { max(share.pause(now: .now()), $0.pause()) } ?? .zero }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var octets = Self.unwrapInboundIn(data)
    guard waiting == nil else {
      waiting?.octets.writeBuffer(&octets)
      return
    }
    take(octets, context)
  }

  /// TLS hands on what it has decrypted only now.
  func channelReadComplete(context: ChannelHandlerContext) {
    measure { context.fireChannelReadComplete() }
  }

  func channelInactive(context: ChannelHandlerContext) {
    if let waiting {
      waiting.until.cancel()
      self.waiting = nil
      _ = pay { context.fireChannelRead(Self.wrapInboundOut(waiting.octets)) }
    }
    _ = pay { context.fireChannelInactive() }
    account?.left(share.debt(now: .now()))
  }

  /// Handles an input of the client's that does not come by this way.
  func measure(_ handle: () -> Void) {
    _ = pay(handle)
    let pause = pause
    guard pause > .zero, waiting == nil, let context else { return }
    wait(pause, with: ByteBuffer(), context)
  }

  private func take(_ octets: ByteBuffer, _ context: ChannelHandlerContext) {
    var octets = octets
    var work = Interval.zero
    // Another connection of its network may have taken what there was.
    let pause = pause
    if pause > .zero { return wait(max(pause, Self.queueing), with: octets, context) }
    while let slice = octets.readSlice(length: min(Self.slice, octets.readableBytes)), slice.readableBytes > 0 {
      work.nanoseconds +=
        pay {
          context.fireChannelRead(Self.wrapInboundOut(slice))
          if octets.readableBytes > 0 { context.fireChannelReadComplete() }
        }.nanoseconds
      let pause = pause
      if pause > .zero || octets.readableBytes > 0 && work >= Self.longestTurn {
        return wait(max(pause, Self.otherTurn), with: octets, context)
      }
    }
  }

  private func pay(_ handle: () -> Void) -> Interval {
    let work = turns.work { turns.measure(input, handle) }
    share.spent(work, now: .now())
    account?.spent(work)
    turns.letOthersIn()
    return work
  }

  private func wait(_ pause: TimeAmount, with octets: ByteBuffer, _ context: ChannelHandlerContext) {
    let channel = context.channel
    guard channel.isActive else { return }
    if pause > Self.otherTurn { account?.paused() }
    try? channel.syncOptions?.setOption(.autoRead, value: false)
    let resumption = context.eventLoop.assumeIsolated().scheduleTask(in: pause) { [weak self] () -> Void in
      self?.goOn(context)
    }
    waiting = (octets, resumption)
  }

  private func goOn(_ context: ChannelHandlerContext) {
    guard let octets = waiting?.octets else { return }
    waiting = nil
    let pause = pause
    if pause > .zero { return wait(max(pause, Self.queueing), with: octets, context) }
    take(octets, context)
    _ = pay { context.fireChannelReadComplete() }
    if waiting == nil { try? context.channel.syncOptions?.setOption(.autoRead, value: true) }
  }
}
