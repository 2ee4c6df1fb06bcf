/// Participants that are to be brought up to date with what is published, each once, in order.
struct OutdatedSubscribers {
  private var waiting: Set<ParticipantID> = []
  /// Those whose own doing it was do not wait for a whole room.
  private var first = FIFO<ParticipantID>()
  private var others = FIFO<ParticipantID>()

  var isEmpty: Bool { waiting.isEmpty }

  mutating func put(_ id: ParticipantID) {
    if waiting.insert(id).inserted { others.put(id) }
  }

  mutating func putFirst(_ id: ParticipantID) {
    waiting.insert(id)
    first.put(id)
  }

  mutating func take() -> ParticipantID? {
    while let id = first.take() ?? others.take() {
      // Who was put twice is taken once.
      if waiting.remove(id) != nil { return id }
    }
    return nil
  }
}

/// First in, first out.
private struct FIFO<Element> {
  private var elements: [Element] = []
  private var taken = 0

  mutating func put(_ element: Element) { elements.append(element) }

  mutating func take() -> Element? {
    guard taken < elements.count else {
      elements.removeAll(keepingCapacity: true)
      taken = 0
      return nil
    }
    taken += 1
    return elements[taken - 1]
  }
}
