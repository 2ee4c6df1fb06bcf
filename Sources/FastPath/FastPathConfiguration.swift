import Forwarding

/// Which lane the operator wants.
public enum LaneChoice: String, Hashable, Sendable, CaseIterable {
  /// The quickest lane that each interface offers.
  case auto
  /// Like `auto`, without the kernel lane.
  case xsk
  /// UDP sockets alone: no program is loaded.
  case socket
  /// Like `auto`, but what can be forwarded in the kernel stays there even where bursts of copies get lost.
  case kernel
}

public struct FastPathConfiguration: Sendable {
  /// The one UDP port of all media; 0 takes any free port (see `FastPath.boundPort`).
  public var mediaPort: UInt16
  /// The interfaces to attach to; nil: loopback and all Ethernet interfaces that are up and no port of a bridge or
  /// bond.
  public var interfaces: [String]?
  public var lane: LaneChoice
  /// By an interface's name, where it is not `auto`. `kernel` and `xsk` pass over the host's output rules there.
  public var interfaceLanes: [String: LaneChoice] = [:]
  /// The processor that the worker is bound to; nil: wherever the kernel puts it.
  public var workerCPU: Int?

  /// Has the kernel lane forward by the TC program also where XDP could.
  public var kernelLaneAvoidsXDP = false

  /// Folders where a note of what was changed on `lo` may be, the best first. It is for the next start, should this process
  /// be killed.
  public var noteFolders = ["/run"]

  /// What the worker keeps at most.
  public var limits = ForwardingLimits()

  /// Room in the XDP program's tables. What finds none takes the socket lane.
  public var maximumTransports = 16_384
  public var maximumSources = 65_536

  public init(mediaPort: UInt16, interfaces: [String]? = nil, lane: LaneChoice = .auto, workerCPU: Int? = nil) {
    self.mediaPort = mediaPort
    self.interfaces = interfaces
    self.lane = lane
    self.workerCPU = workerCPU
  }
}

/// Why the fast path cannot start at all. (What only costs a lane is no error: see `InterfaceStatus.reason`.)
public enum FastPathError: Error, Hashable, Sendable, CustomStringConvertible {
  case portInUse(port: UInt16)
  case portNotPermitted(port: UInt16)
  /// A system call that must succeed did not.
  case system(call: String, error: Int32)

  public var description: String {
    switch self {
    case .portInUse(let port):
      "UDP port \(port) is in use by another program. Stop that program (ss -ulpn 'sport = :\(port)' names it) or "
        + "choose another media port."
    case .portNotPermitted(let port):
      "No permission to open UDP port \(port). Choose a media port from 1024 up, or give the server "
        + "CAP_NET_BIND_SERVICE."
    case .system(let call, let error):
      "\(call) failed: \(SystemError.text(error)) (error \(error))."
    }
  }
}
