import SFU
import Testing

@Suite struct ICEServerTests {
  @Test(arguments: ["stun:stun.example.org", "stuns:192.0.2.1:5349", "stun:[2001:db8::1]:3478"])
  func stunServersAreTheirURI(_ text: String) {
    #expect(ICEServer(text) == ICEServer(urls: [text]))
  }

  @Test func turnServersHaveAUserAndAPassword() {
    #expect(
      ICEServer("turn:anna:p%40ss%3Aw%2Crd@turn.example.org:3478?transport=tcp")
        == ICEServer(urls: ["turn:turn.example.org:3478?transport=tcp"], username: "anna", credential: "p@ss:w,rd"))
    #expect(
      ICEServer("turns:u:p@[2001:db8::1]") == ICEServer(urls: ["turns:[2001:db8::1]"], username: "u", credential: "p"))
  }

  @Test(arguments: [
    "", "stun", "stun:", "stun.example.org:3478", "http:host", "stun:host:0", "stun:host:65536", "stun:host:x",
    "stun:a b", "stun:[2001:db8::1", "stun:[host]", "stun:host?transport=udp", "turn:host", "turn:u@host",
    "turn::p@host",
    "turn:u:@host", "turn:u:p:q@host", "turn:u:%zz@host", "turn:u:%+f@host", "turn:u:%ff@host", "turn:u:%4@host",
    "turn:u:p@", "turn:u:p@host?transport=sctp", "turn:u:p@host?",
  ])
  func whatIsNoServer(_ text: String) {
    #expect(ICEServer(text) == nil)
  }

  @Test func clientsAreToldWhenTheyJoin() throws {
    let servers = [ICEServer(urls: ["stun:stun.example.org"])]
    let world = try World(iceServers: servers)
    let ann = world.join("ann")
    guard case .joined(_, _, servers, _)? = ann.heard.first else { return #expect(Bool(false), "\(ann.heard)") }
  }
}
