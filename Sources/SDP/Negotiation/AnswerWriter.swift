/// Writes an answer, m-line by m-line as the offer has them.
struct AnswerWriter {
  let checked: CheckedOffer
  let capabilities: Capabilities
  let local: LocalTransportDescription
  let setup: SetupRole

  /// The m-line that answers `media`. `answers`: for each of its codecs what will flow under it, if we send.
  func content(
    of media: NegotiatedMedia, sending track: OfferedTrack?, answers: [NegotiatedCodec]
  ) -> MediaWriter.Content {
    let section = checked.session.media[media.index]
    var codecs = media.codecs
    for (index, flowing) in zip(codecs.indices, answers) {
      codecs[index].fmtp = codecs[index].answerParameters(for: flowing)
    }
    return MediaWriter.Content(
      mid: media.mid, kind: media.kind, protocolName: section.protocolName, direction: media.direction.reversed,
      codecs: codecs, extensions: extensions(of: media, in: section), formats: section.payloadTypes,
      isReducedSize: section.hasReducedSizeRTCP,
      allowsMixedExtensions: capabilities.allowsMixedExtensions && section.allowsMixedExtensions
        && !checked.session.allowsMixedExtensions,
      track: track)
  }

  /// In the offer's order; a direction is written where the offer writes one, seen from our side.
  private func extensions(of media: NegotiatedMedia, in section: MediaDescription) -> [ExtensionMap] {
    section.extensionMaps(in: checked.session).compactMap { map in
      guard let id = media.extensions[map.uri] else { return nil }
      let direction = map.isDirectionWritten ? map.direction.reversed : nil
      return ExtensionMap(id: id, direction: direction, uri: map.uri)
    }
  }

  /// The whole answer; nil refuses that m-line.
  func answer(_ contents: [MediaWriter.Content?], previous: NegotiatedSession?) -> SessionDescription {
    let origin = previous?.answer.origin?.next ?? .initial(local.iceUfrag)
    let bundle = bundle(contents.compactMap { $0?.mid })
    var answer = SessionDescription.ours(
      origin: origin, bundle: bundle,
      mixedExtensions: capabilities.allowsMixedExtensions && checked.session.allowsMixedExtensions)
    // Without a bundle there is only one.
    let tagged = bundle.first ?? contents.lazy.compactMap { $0?.mid }.first
    let writer = MediaWriter(local: local, setup: setup)
    for (section, content) in zip(checked.session.media, contents) {
      if let content {
        answer.media.append(writer.section(content, hasCandidates: content.mid == tagged))
      } else {
        answer.media.append(MediaWriter.rejection(of: section))
      }
    }
    return answer
  }

  /// The offer's group without what is refused, in its order.
  private func bundle(_ accepted: [String]) -> [String] {
    guard checked.isBundled else { return [] }
    var left = Set(accepted)
    return (checked.session.bundle ?? []).filter { left.remove($0) != nil }
  }
}
