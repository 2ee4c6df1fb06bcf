import Foundation

/// Where the demo client's files are.
enum WebFolder {
  /// The configured folder, else ./web, else one installed beside the program or in the checkout it was built in.
  static func find(_ configured: String?) -> String? {
    if let configured { return exists(configured) ? configured : nil }
    let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
    let places = [
      "web", program + "/web", program + "/../share/needletail/web", program + "/../../../web",
    ]
    return places.first(where: exists)
  }

  private static func exists(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
  }
}
