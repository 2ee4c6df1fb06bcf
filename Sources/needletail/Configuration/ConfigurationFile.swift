import Yams

/// A YAML file of keys: one mapping, each key once.
struct ConfigurationFile {
  /// Values with where they stand ("needletail.yaml:12"), in the file's order.
  private(set) var values: [(setting: Setting, value: SettingValue, origin: String)] = []
  private(set) var errors: [ConfigurationError] = []

  init(path: String) {
    do throws(UnreadableFile) { parse(try TextFile.read(path), path) } catch { fail(path, "\(error)") }
  }

  private mutating func parse(_ yaml: String, _ path: String) {
    do {
      if let root = try compose(yaml: yaml) { read(root, path) }
    } catch let error as YamlError {
      fail(path, yaml, error)
    } catch {
      fail(path, "is not YAML: \(error)")
    }
  }

  private mutating func read(_ root: Node, _ path: String) {
    guard case .mapping(let mapping) = root else {
      if root.null != nil { return }  // nothing but comments
      return fail(path, "must be a YAML mapping of keys to values")
    }
    for (key, node) in mapping {
      let origin = "\(path):\(key.mark?.line ?? 1)"
      guard let name = key.string, let setting = Setting.named(name) else {
        errors.append(.unknown(key.string ?? "?", at: origin))
        continue
      }
      if case .rtpParticipants = setting.kind {
        let reader = RTPParticipantsReader(node, path: path, line: key.mark?.line ?? 1)
        errors += reader.errors
        values.append((setting, .rtpParticipants(reader.participants), origin))
        continue
      }
      guard let value = Self.value(node) else {
        errors.append(ConfigurationError(origin: origin, problem: "\(name): must be \(setting.allowed)"))
        continue
      }
      values.append((setting, value, origin))
    }
  }

  private static func value(_ node: Node) -> SettingValue? {
    switch node {
    case .scalar(let scalar): return node.null == nil ? .scalar(scalar.string) : nil
    case .sequence(let sequence):
      let elements = sequence.compactMap { $0.scalar?.string }
      return elements.count == sequence.count ? .list(elements) : nil
    default: return nil
    }
  }

  private mutating func fail(_ origin: String, _ problem: String) {
    errors.append(ConfigurationError(origin: origin, problem: problem))
  }

  private mutating func fail(_ path: String, _ yaml: String, _ error: YamlError) {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      fail("\(path):\(mark.line)", "not YAML: \(problem)")
    case .duplicatedKeysInMapping(let duplicates, let context):
      let line = duplicates.first.flatMap { Self.repetition(of: $0, after: context.mark, in: yaml) }
      fail(
        "\(path):\(line ?? context.mark.line)",
        "each key may stand once; twice: \(duplicates.joined(separator: ", "))")
    default: fail(path, "not YAML: \(error)")
    }
  }

  /// The line where a key that stands at `first` stands again: Yams tells the first place only. Keys of one mapping begin
  /// in one column, unless it is in braces.
  private static func repetition(of key: String, after first: Mark, in yaml: String) -> Int? {
    let lines = yaml.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    let indent = first.column - 1
    return lines.indices.dropFirst(first.line).first { index in
      let name = lines[index].dropFirst(indent).prefix { $0 != ":" }.filter { !" \"'".contains($0) }
      return name == key && lines[index].prefix(indent).allSatisfy { $0 == " " }
    }.map { $0 + 1 }
  }
}
