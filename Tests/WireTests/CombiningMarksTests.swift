import Testing
import Wire

@Suite struct CombiningMarksTests {
  @Test("Runs of marks end at thirty; all other text is as long as it likes")
  func runs() {
    #expect(String(repeating: "\u{301}", count: 30).isStreamSafe)
    #expect(!String(repeating: "\u{301}", count: 31).isStreamSafe)
    #expect(String(repeating: "e" + String(repeating: "\u{323}", count: 30), count: 1000).isStreamSafe)
    for text in ["a", "\u{1f1e6}", "\u{200d}", "漢", "한", "\u{1f468}"] {
      #expect(String(repeating: text, count: 10_000).isStreamSafe)
    }
    // Outside of the blocks that are passed over quickly, and at their ends.
    for mark in ["\u{300}", "\u{3099}", "\u{a66f}", "\u{1e8d0}", "\u{1d165}"] {
      #expect(!String(repeating: mark, count: 31).isStreamSafe, "\(mark.unicodeScalars.map(\.value))")
    }
  }

  @Test("What is passed over quickly has no marks")
  func blocks() {
    for value in Array(UInt32(0)..<0x300) + Array(UInt32(0x3100)..<0xa66f) + Array(UInt32(0xac00)...0xd7a3) {
      let scalar = Unicode.Scalar(value)
      #expect(scalar?.properties.canonicalCombiningClass ?? .notReordered == .notReordered)
    }
  }
}
