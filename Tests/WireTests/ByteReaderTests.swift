import Testing
import Wire

@Suite struct ByteReaderTests {
  @Test func readsWhatTheWriterWrote() {
    var writer = ByteWriter()
    writer.u8(1)
    writer.u16(0x0203)
    writer.u24(0x040506)
    writer.u32(0x0708_090a)
    writer.u64(0x0b0c_0d0e_0f10_1112)
    writer.append([0x13, 0x14])
    #expect(writer.bytes == Array(1...0x14))
    var reader = ByteReader(writer.bytes)
    #expect(reader.u8() == 1)
    #expect(reader.u16() == 0x0203)
    #expect(reader.u24() == 0x040506)
    #expect(reader.u32() == 0x0708_090a)
    #expect(reader.u64() == 0x0b0c_0d0e_0f10_1112)
    #expect(reader.rest() == [0x13, 0x14])
    #expect(reader.isAtEnd)
  }

  @Test func pastTheEndIsNilAndMovesNothing() {
    var reader = ByteReader([1, 2, 3])
    #expect(reader.u32() == nil)
    #expect(reader.take(4) == nil)
    #expect(reader.take(-1) == nil)
    #expect(reader.remaining == 3)
    #expect(reader.u24() == 0x010203)
    #expect(reader.u8() == nil)
  }

  @Test func slicesKeepTheirOwnIndices() {
    var reader = ByteReader([9, 9, 1, 2][2...])
    #expect(reader.u16() == 0x0102)
  }

  @Test func paddingAndLateLengths() {
    var writer = ByteWriter()
    writer.u16(0)
    writer.append([7])
    writer.pad(to: 4)
    writer.setU16(4, at: 0)
    writer.setU16(9, at: 3)
    #expect(writer.bytes == [0, 4, 7, 0])
  }
}
