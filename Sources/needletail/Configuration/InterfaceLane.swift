import FastPath

/// One element of `interface-lanes`: "eth0=socket".
struct InterfaceLane {
  var interface: String
  var lane: LaneChoice

  /// nil if it is not of that form.
  init?(_ text: String) {
    guard let sign = text.lastIndex(of: "="), let lane = LaneChoice(rawValue: String(text[text.index(after: sign)...])),
      sign != text.startIndex
    else { return nil }
    (interface, self.lane) = (String(text[..<sign]), lane)
  }
}
