import Testing
import Wire

@Suite struct SocketAddressTests {
  @Test(arguments: ["1.2.3.4:5", "[::1]:65535", "[2001:db8::1]:3478", "0.0.0.0:0"])
  func textRoundTrips(_ text: String) { #expect(SocketAddress(text)?.description == text) }

  @Test(arguments: ["", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "::1:80", "[::1]", "[1.2.3.4.5]:1", "host:80"])
  func whatIsNoAddressIsNil(_ text: String) { #expect(SocketAddress(text) == nil) }

  @Test func mappedAddressesAreV4() { #expect(IPAddress("::ffff:10.0.0.1") == .v4(0x0a00_0001)) }

  @Test func bytesAreInNetworkOrder() {
    #expect(IPAddress("10.0.0.1")?.bytes == [10, 0, 0, 1])
    #expect(IPAddress(bytes: [10, 0, 0, 1]) == IPAddress("10.0.0.1"))
    #expect(IPAddress("2001:db8::2")?.bytes.first == 0x20)
    #expect(IPAddress(bytes: IPAddress("2001:db8::2")?.bytes ?? []) == IPAddress("2001:db8::2"))
    #expect(IPAddress(bytes: [1, 2, 3]) == nil)
  }

  @Test func linkLocalAndLoopbackAreRecognised() {
    #expect(IPAddress("fe80::1")?.isLinkLocal == true)
    #expect(IPAddress("169.254.1.1")?.isLinkLocal == true)
    #expect(IPAddress("10.0.0.1")?.isLinkLocal == false)
    #expect(IPAddress("::1")?.isLoopback == true)
    #expect(IPAddress("127.0.0.1")?.isLoopback == true)
  }
}
