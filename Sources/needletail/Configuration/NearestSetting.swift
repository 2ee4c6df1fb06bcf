extension Setting {
  /// The key that `name` was perhaps meant to be.
  static func nearest(to name: String) -> Setting? {
    let near = all.map { (setting: $0, distance: editDistance(name, $0.name)) }.min { $0.distance < $1.distance }
    return near.flatMap { $0.distance <= max(2, name.count / 3) ? $0.setting : nil }
  }

  /// Levenshtein's distance.
  private static func editDistance(_ a: String, _ b: String) -> Int {
    let b = Array(b)
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, y) in b.enumerated() {
        let substituted = diagonal + (x == y ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substituted, row[j] + 1, diagonal + 1)
      }
    }
    return row[b.count]
  }
}
