/// The URIs of RTP header extensions, as `a=extmap` names them.
public enum HeaderExtension {
  /// RFC 9143: the m-line's mid.
  public static let mid = "urn:ietf:params:rtp-hdrext:sdes:mid"
  /// RFC 8852: which simulcast encoding.
  public static let rid = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
  /// RFC 8852: which encoding a retransmission repairs.
  public static let repairedRID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
  /// RFC 6464: audio level of the client, in -dBov, with a voice bit.
  public static let audioLevel = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
  /// draft-holmer-rmcat-transport-wide-cc-extensions-01.
  public static let transportWideSequence =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
  /// 6.18 fixed point seconds at which the packet was sent.
  public static let absoluteSendTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
  /// NTP time at which the sample was captured.
  public static let absoluteCaptureTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
  /// 3GPP TS 26.114: how to turn the picture.
  public static let videoOrientation = "urn:3gpp:video-orientation"
  public static let playoutDelay = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
  public static let videoContentType = "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type"
  public static let videoTiming = "http://www.webrtc.org/experiments/rtp-hdrext/video-timing"
  public static let colorSpace = "http://www.webrtc.org/experiments/rtp-hdrext/color-space"
  public static let videoLayersAllocation =
    "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00"
  /// AV1 RTP specification, appendix A.
  public static let dependencyDescriptor =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
}
