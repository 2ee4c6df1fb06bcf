import Forwarding
import SDP
import SFU
import Testing
import Wire

/// What becomes of the offers of a subscribe peer.
@Suite struct NegotiationTests {
  let world: World
  let ann: Client
  let bob: Client

  init() throws {
    world = try World()
    ann = Client("ann", in: world)
    bob = Client("bob", in: world)
    ann.join()
    bob.join()
    try ann.publish()
  }

  private func usernameFragment(_ sdp: String) -> Substring? {
    sdp.firstRange(of: "a=ice-ufrag:").map { sdp[$0.upperBound...].prefix { !$0.isNewline } }
  }

  @Test func aRestartOfTheSubscribePeerIsAnOffer() throws {
    try bob.answer()
    let before = usernameFragment(bob.offers[0].sdp)
    bob.say(.restart(target: .subscribe, sdp: nil))
    #expect(bob.offers.count == 2)
    #expect(usernameFragment(bob.offers[1].sdp) != before)
    try bob.answer()
    #expect(bob.offers.count == 2 && bob.errors.isEmpty)
  }

  @Test func aRestartWaitsForTheAnswerToTheOfferInFlight() throws {
    bob.say(.restart(target: .subscribe, sdp: nil))
    #expect(bob.offers.count == 1)
    try bob.answer()
    #expect(bob.offers.count == 2)
    #expect(usernameFragment(bob.offers[1].sdp) != usernameFragment(bob.offers[0].sdp))
    #expect(bob.errors.isEmpty)
  }

  @Test func whoRefusesEverythingHearsOfWhatComesNext() throws {
    try bob.answer { $0.replacing("m=audio 3478", with: "m=audio 0").replacing("m=video 9", with: "m=video 0") }
    let cy = Client("cy", in: world)
    cy.join()
    try cy.publish()
    #expect(bob.offers.count == 2)
    try bob.answer()
    #expect(bob.errors.isEmpty)
  }
}
