/// Where a section's attributes stand, by name, so that no reader searches the lines: what a description costs grows with its
/// length alone. It follows from the lines, so any two are equal.
public struct AttributeTable: Hashable, Sendable {
  /// Hash of the name and place among the section's lines, ascending; nil while nobody has looked.
  private let places: [UInt64]?
  /// The section's own header extensions.
  private let maps: [ExtensionMap]

  /// Of lines that were written here, or have changed: they are searched.
  static let none = AttributeTable(places: nil, maps: [])

  private init(places: [UInt64]?, maps: [ExtensionMap]) {
    self.places = places
    self.maps = maps
  }

  init(_ lines: [SDPLine]) {
    var places: [UInt64] = []
    places.reserveCapacity(lines.count)
    for (place, line) in lines.enumerated() where line.field == .attribute {
      places.append(Self.hash(line.value.utf8.prefix { $0 != UInt8(ascii: ":") }) << 32 | UInt64(place))
    }
    places.sort()
    let found = Self.places(of: "extmap", in: places).compactMap { lines[$0].attributeValue("extmap") }
    self.init(places: places, maps: found.isEmpty ? [] : ExtensionMap.usable(in: found))
  }

  /// Places, ascending, of every attribute of that name, and perhaps of others; nil while nobody has looked.
  func places(of name: String) -> [Int]? { places.map { Self.places(of: name, in: $0) } }

  /// nil while nobody has looked.
  var extensionMaps: [ExtensionMap]? { places == nil ? nil : maps }

  private static func places(of name: String, in places: [UInt64]) -> [Int] {
    let hash = hash(name.utf8)
    var (low, high) = (0, places.count)
    while low < high {
      let middle = (low + high) / 2
      if places[middle] >> 32 < hash { low = middle + 1 } else { high = middle }
    }
    return places[low...].prefix { $0 >> 32 == hash }.map { Int(truncatingIfNeeded: $0 & 0xffff_ffff) }
  }

  /// FNV-1a, 32 bits. Names that fall together cost a comparison each.
  private static func hash(_ name: some Sequence<UInt8>) -> UInt64 {
    UInt64(name.reduce(0x811c_9dc5 as UInt32) { ($0 ^ UInt32($1)) &* 0x0100_0193 })
  }

  public static func == (_: Self, _: Self) -> Bool { true }
  public func hash(into _: inout Hasher) {}
}
