import DTLS
import Glibc
import RTP
import SRTP
import STUN
import Wire

/// One transport of the load client: an ICE controlling agent, the DTLS client or server, then SRTP.
///
/// ```
///            a check is answered             keys                      failure, removal
///  checking ─────────────────────> handshaking ─────────> connected ──────────────────> ended
/// ```
/// Confined to the media thread.
final class MediaPeer {
  enum Phase { case checking, handshaking, connected, ended }

  let description: PeerDescription
  private(set) var phase = Phase.checking
  /// Made for the first candidate's address family.
  let socket: UDPSocket
  var publication: Publication?
  var reception: Reception?
  private(set) var failure: String?

  private var candidate = 0
  private var checksSent = 0
  private var nextCheck: Instant
  private var check: ConnectivityCheck?
  private var transaction = STUNTransactionID.random()
  private var dtls: DTLSAssociation?
  private var srtcp: SRTCPSession?
  private var nextReport: Instant
  private let startedAt: Instant

  /// Between checks on a connected transport, which tell the server that we still want its media (RFC 7675).
  private static let consentInterval = Interval.milliseconds(2500)
  private static let reportInterval = Interval.seconds(1)
  private static let setupLimit = Interval.seconds(30)
  /// Checks on one candidate before the next gets its turn.
  private static let checksPerCandidate = 4

  init(_ description: PeerDescription, engine: borrowing CryptographyEngine, now: Instant) throws {
    guard let first = description.candidates.first else { throw BenchFailure("the server gave no usable candidate") }
    self.description = description
    socket = try UDPSocket(family: first.ip)
    (startedAt, nextCheck) = (now, now)
    // Spread over the interval, so that a thousand receivers do not report in one burst.
    nextReport = now.advanced(by: Interval(nanoseconds: .random(in: 0..<Self.reportInterval.nanoseconds)))
    guard socket.connect(to: first) else { throw BenchFailure("no route to \(first)") }
    switch description.security {
    case .negotiated(let parameters):
      check = ConnectivityCheck(
        username: parameters.username, password: parameters.password,
        role: .controlling(tieBreaker: .random(in: 0 ... .max)))
    case .fixed(let inbound, let outbound, let greeting):
      socket.send(greeting)
      connected(inbound: inbound, outbound: outbound, engine: engine, now: now)
    }
  }

  /// What is sent without having been asked: checks, handshake retransmissions, reports.
  func tick(_ now: Instant, engine: borrowing CryptographyEngine) {
    switch phase {
    case .checking, .handshaking:
      if now.since(startedAt) > Self.setupLimit { return fail("no connection within 30 s (\(phase))") }
      if phase == .checking, now >= nextCheck { sendSetupCheck(now) }
      if let dtls, let due = dtls.nextTimeout, now >= due { perform(dtls.timeout(now: now), engine: engine, now: now) }
    case .connected:
      if now >= nextCheck, check != nil {
        sendCheck()
        nextCheck = nextCheck.advanced(by: Self.consentInterval)
      }
      if now >= nextReport {
        nextReport = nextReport.advanced(by: Self.reportInterval)
        sendReport()
      }
    case .ended: break
    }
  }

  /// A STUN or DTLS datagram arrived.
  func receivedControl(_ datagram: [UInt8], engine: borrowing CryptographyEngine, now: Instant) {
    switch DatagramKind(datagram) {
    case .stun where phase == .checking: receivedAnswer(datagram, engine: engine, now: now)
    case .dtls: if let dtls { perform(dtls.received(datagram, now: now), engine: engine, now: now) }
    case .rtcp: receivedRTCP(datagram)
    default: break
    }
  }

  func close() {
    if let dtls, phase != .ended {
      for case .send(let bytes) in dtls.close() { socket.send(bytes) }
    }
    phase = .ended
  }

  /// Asks the publisher of `ssrc` for a key frame.
  func requestKeyFrame(of ssrc: UInt32) {
    send([.pli(PLI(senderSSRC: reception?.ownSSRC ?? 1, mediaSSRC: ssrc))])
  }
}

// MARK: Setting up

extension MediaPeer {
  private func sendSetupCheck(_ now: Instant) {
    if checksSent == Self.checksPerCandidate { useNextCandidate() }
    sendCheck()
    // 25, 50, 100 and 200 ms: the server may learn our credentials only after the first check.
    nextCheck = now.advanced(by: .milliseconds(25 << UInt64(checksSent)))
    checksSent += 1
  }

  private func useNextCandidate() {
    checksSent = 0
    guard description.candidates.count > 1 else { return }
    candidate = (candidate + 1) % description.candidates.count
    _ = socket.connect(to: description.candidates[candidate])
  }

  private func sendCheck() {
    guard let check else { return }
    transaction = .random()
    socket.send(check.encode(transactionID: transaction))
  }

  private func receivedAnswer(_ datagram: [UInt8], engine: borrowing CryptographyEngine, now: Instant) {
    guard let check, case .negotiated(let parameters) = description.security else { return }
    switch check.answer(datagram, to: transaction) {
    case .success: break
    case .refused(let error, _): return fail("ICE check refused: \(error)")
    case .notAnAnswer: return
    }
    phase = .handshaking
    do {
      let association = try DTLSAssociation(
        certificate: parameters.certificate, role: parameters.role,
        acceptedFingerprints: parameters.fingerprints.map { ($0.algorithm, $0.value) }, now: now)
      dtls = association
      perform(association.start(now: now), engine: engine, now: now)
    } catch {
      fail("DTLS cannot start: \(error)")
    }
  }

  private func perform(_ outputs: [DTLSAssociation.Output], engine: borrowing CryptographyEngine, now: Instant) {
    for output in outputs {
      switch output {
      case .send(let bytes): socket.send(bytes)
      case .connected(_, let inbound, let outbound):
        connected(inbound: inbound, outbound: outbound, engine: engine, now: now)
      case .failed(let reason): fail("DTLS failed: \(reason)")
      case .closed: fail("the server closed the transport")
      }
    }
  }

  private func connected(
    inbound: SRTPKeys, outbound: SRTPKeys, engine: borrowing CryptographyEngine, now: Instant
  ) {
    do {
      srtcp = try SRTCPSession(inbound: inbound, outbound: outbound)
    } catch { return fail("SRTCP cannot start: \(error)") }
    switch description.role {
    case .publisher(let media):
      guard let sealer = RTPSealer(outbound, engine: engine) else { return fail("SRTP cannot start") }
      publication = Publication(media, sealer: sealer, now: now)
    case .subscriber(let ssrcs):
      let opener = description.isSampled ? RTPOpener(inbound, engine: engine) : nil
      reception = Reception(ssrcs: ssrcs, opener: opener)
    }
    nextCheck = now.advanced(by: Interval(nanoseconds: .random(in: 0..<Self.consentInterval.nanoseconds)))
    phase = .connected
  }

  private func fail(_ reason: String) {
    guard phase != .ended else { return }
    failure = reason
    phase = .ended
  }
}

// MARK: RTCP

extension MediaPeer {
  private func sendReport() {
    if let publication { send(publication.senderReports()) }
    if let reception { send([reception.receiverReport()]) }
  }

  private func send(_ packets: [RTCPPacket]) {
    guard let bytes = srtcp?.protect(RTCPPacket.encode(packets)) else { return }
    socket.send(bytes)
  }

  private func receivedRTCP(_ datagram: [UInt8]) {
    guard case .success(let clear)? = srtcp?.unprotect(datagram), let packets = try? RTCPPacket.decode(compound: clear)
    else { return }
    for packet in packets {
      switch packet {
      case .pli, .fir: publication?.keyFrameRequests += 1
      case .nack(let nack): publication?.nackedPackets += nack.lost.count
      default: break
      }
    }
  }
}
