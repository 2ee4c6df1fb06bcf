"""The demo page, as a person uses it."""

import re

import pytest
from conftest import CHROMIUM_ARGUMENTS
from harness.waiting import wait_for
from playwright.sync_api import expect
from test_loss import loss, port
from test_recovery import WATCH_SOCKETS

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}


def enter(page, server, name, room="page", **parameters):
    query = "".join(f"&{key}={value}" for key, value in ({"quality": "low"} | parameters).items())
    page.goto(f"{server.url}/?room={room}&name={name}{query}")
    page.get_by_role("button", name="Join").click()
    expect(page.locator("#call")).to_be_visible()
    return page


def tile(page, label):
    return page.get_by_role("listitem", name=label, exact=True)


def test_two_people_meet(server, new_page):
    ada, grace = enter(new_page(), server, "Ada"), enter(new_page(**PHONE), server, "Grace")
    for page, other in ((ada, "Grace"), (grace, "Ada")):
        expect(page.locator(f".tile.live[data-name={other}]")).to_be_visible()
        expect(page.locator(".tile.self.live")).to_be_visible()
        expect(page.get_by_role("status")).to_have_text("Connected")
        assert page.evaluate("document.querySelector('.tile.self video').srcObject.getAudioTracks().length") == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the screen"
    ada.get_by_role("button", name="Microphone").click()
    expect(tile(grace, "Ada, camera on, microphone off")).to_be_visible()
    ada.keyboard.press("m")
    expect(tile(grace, "Ada, camera on, microphone on")).to_be_visible()
    ada.get_by_role("button", name="Camera").click()
    expect(tile(grace, "Ada, camera off, microphone on")).to_be_visible()
    ada.get_by_role("button", name="Camera").click()
    expect(grace.locator(".tile.live[data-name=Ada]")).to_be_visible()
    ada.get_by_role("button", name="Leave").click()
    expect(ada.locator("#lobby")).to_be_visible()
    expect(grace.locator("[data-name=Ada]")).to_have_count(0)


def test_nobody_is_cut_away(server, new_page):
    """Cameras are wide: so are their tiles, except where an upright screen has none but the people to show."""
    ada, grace, alan = (enter(new_page(**options), server, name) for name, options in (("Ada", DESKTOP), ("Grace", PHONE), ("Alan", {})))
    shapes = lambda page: page.eval_on_selector_all(".grid .tile", "(tiles) => tiles.map((tile) => tile.offsetWidth / tile.offsetHeight)")
    all_wide = lambda page: len(shapes(page)) == 3 and min(shapes(page)) > 1.3
    wait_for(lambda: all_wide(ada), lambda: f"wide tiles; {shapes(ada)}")
    alan.get_by_role("button", name="Share screen").click()
    for page in (ada, grace):
        expect(page.locator(".tile.screen")).to_be_visible()
        wait_for(lambda: all_wide(page), lambda: f"wide tiles beside the screen; {shapes(page)}")


def test_statistics_overlay(server, new_page):
    ada, grace = enter(new_page(), server, "Ada"), enter(new_page(), server, "Grace")
    ada.get_by_role("button", name="Statistics").click()
    figures = ada.locator("[data-name=Grace] .figures")
    expect(figures).to_contain_text(re.compile(r"size320×180.*fps.*bit/s.*loss\d.*lanexsk"))
    grace.get_by_role("button", name="Camera").click()
    expect(figures).to_contain_text(re.compile(r"^bits.*loss.*codecopus"))


def test_statistics_overlay_tells_of_repairs(network, server, new_page):
    grace = enter(new_page(), server, "Grace", room="class")
    enter(new_page(), server, "Ada", room="class")
    grace.get_by_role("button", name="Statistics").click()
    figures = grace.locator("[data-name=Ada] .figures")
    expect(figures).to_contain_text("lanexsk")
    with loss(network, f"dport {port(server, 'Grace', 'subscribe')}"):
        expect(figures).to_contain_text(re.compile(r"loss[1-9]\d*\.\d % → 0\.0 %.*repaired\d+ packets.*codec"))


def test_sharing_the_screen(server, new_page):
    ada, grace = enter(new_page(), server, "Ada"), enter(new_page(), server, "Grace")
    ada.get_by_role("button", name="Share screen").click()
    expect(grace.locator(".tile.screen.live")).to_be_visible()
    ada.get_by_role("button", name="Share screen").click()
    expect(grace.locator(".tile.screen")).to_have_count(0)


def test_a_muted_screen_gets_no_stage(server, new_page, new_participant):
    ada, grace = new_participant().join("page", "Ada", quality=None, microphone=False), enter(new_page(), server, "Grace")
    ada.evaluate("""() => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 180 });
      const paint = canvas.getContext("2d");
      setInterval(() => paint.fillRect(Math.random() * 300, 0, 9, 9), 50);
      return call.publishTrack(canvas.captureStream(15).getVideoTracks()[0], "screen").then(() => {});
    }""")
    for muted in (False, True, False):
        ada.evaluate("(muted) => call.setMuted('screen', muted)", muted)
        expect(grace.locator(".tile.screen.live")).to_have_count(0 if muted else 1)
        expect(grace.locator("#stage")).to_be_visible(visible=not muted)


# Keeps every toast there ever was in `toasts`.
WATCH_TOASTS = """() => {
  globalThis.toasts = [];
  const note = (changes) => toasts.push(...changes.flatMap(({ addedNodes }) => [...addedNodes]).map((node) => node.textContent));
  new MutationObserver(note).observe(document.getElementById("toasts"), { childList: true });
}"""


def test_no_screen_is_picked(server, new_page):
    """That was the person's own choice, and no failure."""
    page = new_page()
    page.add_init_script("""navigator.mediaDevices.getDisplayMedia = async () => {
      globalThis.asked = true;
      throw new DOMException("Permission denied", "NotAllowedError");
    };""")
    enter(page, server, "Ada", camera="off", microphone="off")
    page.evaluate(WATCH_TOASTS)
    page.get_by_role("button", name="Share screen").click()
    wait_for(lambda: page.evaluate("() => globalThis.asked"), "the page to ask for a screen")
    page.get_by_role("button", name="Copy invitation link").click()
    wait_for(lambda: len(page.evaluate("toasts")) == 1, "the note about the link, alone")


def test_the_page_says_that_it_reconnects(server, new_page):
    ada = enter(new_page(), server, "Ada")
    server.kill()
    expect(ada.get_by_role("alert")).to_contain_text("Reconnecting")
    server.start()
    expect(ada.get_by_role("status")).to_have_text("Connected")
    expect(ada.locator("#banner")).to_be_hidden()


def test_nobody_speaks_while_it_reconnects(server, new_page, new_participant):
    ada, grace = new_participant().join("page", "Ada", quality=None), enter(new_page(), server, "Grace", microphone="off", camera="off")
    expect(grace.locator(".tile.speaking[data-name=Ada]")).to_be_visible()
    server.kill()
    expect(grace.get_by_role("status")).to_have_text("Reconnecting")
    expect(grace.locator(".tile.speaking")).to_have_count(0)
    wait_for(lambda: ada.evaluate("() => [call.state, call.speakers]") == ["reconnecting", []], "nobody to speak for Ada either")


def test_who_is_muted_does_not_speak(server, new_page):
    page = new_page()
    page.add_init_script(f"({WATCH_SOCKETS})()")
    enter(page, server, "Ada", camera="off", microphone="off")
    page.evaluate("""async () => {
      const [{ self }] = (await import("/needletail.js")).rooms;
      sockets[0].onmessage({ data: JSON.stringify({ type: "speakers", participants: [self.id] }) });
    }""")
    expect(page.locator(".tile.speaking")).to_have_count(0)


def test_full_room(start_server, new_page):
    server = start_server(max_participants=1)
    enter(new_page(), server, "Ada")
    grace = new_page()
    grace.goto(f"{server.url}/?room=page&name=Grace&autojoin=1")
    expect(grace.locator("#lobby-error")).to_contain_text("This room is full")


def test_server_gone(server, new_page):
    page = new_page()
    page.goto(f"{server.url}/?room=page&name=Ada")
    expect(page.get_by_role("button", name="Join")).to_be_visible()
    server.kill()
    page.get_by_role("button", name="Join").click()
    expect(page.locator("#lobby-error")).to_contain_text("cannot be reached")


def test_token_needed(start_server, new_page):
    server = start_server(auth="tokens", token_secret="a secret of at least 32 bytes, for this test")
    page = new_page()
    page.goto(f"{server.url}/?room=page&name=Ada&autojoin=1")
    expect(page.locator("#lobby-error")).to_contain_text("access token")
    token = server.admin("/token", {"room": "page"})["token"]
    page.get_by_label("Access token").fill(token)
    page.get_by_role("button", name="Join").click()
    expect(page.locator("#call")).to_be_visible()
    page.reload()
    expect(page.locator("#call")).to_be_visible()


def test_token_refused(start_server, new_page):
    server = start_server(auth="tokens", token_secret="a secret of at least 32 bytes, for this test")
    page = new_page()
    page.goto(f"{server.url}/?room=page&name=Ada&token=garbage&autojoin=1")
    expect(page.locator("#lobby-error")).to_contain_text("not accepted")
    expect(page.get_by_label("Access token")).to_be_visible()


def test_names_that_cannot_be(server, new_page):
    page = new_page()
    page.goto(f"{server.url}/?room=..&name=Ada&autojoin=1")
    expect(page.locator("#lobby-error")).to_contain_text("cannot be called this")


def test_the_address_names_the_room_alone(server, new_page):
    page = enter(new_page(), server, "Ada", camera="off", microphone="off", token="none")
    assert page.url == f"{server.url}/?room=page&quality=low&camera=off&microphone=off"
    expect(page.locator("#room-name")).to_be_focused()


@pytest.mark.parametrize("name, both, one", [
    ("NotAllowedError", "This page may not use the camera or microphone.", "This page may not use the camera."),
    ("NotFoundError", "No camera or microphone was found.", "No camera was found."),
])
def test_no_camera(server, new_page, name, both, one):
    """What the lobby has told, and turned off, is not told again."""
    page = new_page()
    page.add_init_script(f"""navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException("no", "{name}"); }};""")
    page.goto(f"{server.url}/?room=page&name=Ada")
    expect(page.locator("#preview-note")).to_have_text(re.compile(f"^{re.escape(both)} [^.]* try again.$"))
    for device in ("microphone", "camera"):
        expect(page.locator(f"#lobby-{device}")).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Join").click()
    expect(tile(page, "Ada (you), camera off, microphone off")).to_be_visible()
    page.get_by_role("button", name="Camera").click()
    expect(page.locator(".toast")).to_contain_text([one])


def test_a_chosen_camera_that_is_gone(server, new_page):
    page = new_page()
    page.goto(f"{server.url}/?room=page&name=Ada")
    wait_for(lambda: page.evaluate("() => document.getElementById('preview').videoWidth > 0"), "the preview")
    page.evaluate("() => document.getElementById('camera-device').add(new Option('Gone', 'gone'))")
    page.locator("#camera-device").select_option("gone")
    expect(page.locator("#preview-note")).to_have_text("The chosen camera is not there any more. Choose another.")
    page.locator("#camera-device").select_option(index=1)
    expect(page.locator("#preview-note")).to_be_empty()
    expect(page.locator("#lobby-camera")).to_have_attribute("aria-pressed", "true")


def test_the_other_device_is_listed_and_seen(server, new_page):
    """Neither keeps the other from being chosen."""
    page = new_page()
    page.add_init_script("""const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      globalThis.refused = "video";
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        if (wanted[refused]) throw new DOMException("no", "NotReadableError");
        return open(wanted);
      };""")
    page.goto(f"{server.url}/?room=page&name=Ada")
    expect(page.locator("#preview-note")).to_contain_text("camera could not be started")
    expect(page.locator("#microphone-device option")).not_to_have_count(1)
    expect(page.locator("#camera-device option")).not_to_have_count(1)
    page.evaluate("() => { refused = 'audio'; navigator.mediaDevices.dispatchEvent(new Event('devicechange')); }")
    expect(page.locator("#preview-note")).to_be_empty()
    wait_for(lambda: page.evaluate("() => document.getElementById('preview').videoWidth > 0"), "the preview")


def test_insecure_context(start_server, new_page):
    server = start_server(plain_http=True)
    page = new_page()
    page.goto(f"{server.url}/?room=page&name=Ada")
    expect(page.locator("#preview-note")).to_contain_text("https://")
    page.get_by_role("button", name="Join").click()
    page.get_by_role("button", name="Copy invitation link").click()
    expect(page.locator("#toasts")).to_contain_text(f"{server.url}/?room=page")


@pytest.mark.parametrize("width, height", [(320, 568), (390, 844), (667, 375), (844, 390)])
def test_every_button_fits_on_a_phone(server, new_page, width, height):
    page = new_page(viewport={"width": width, "height": height}, is_mobile=True, has_touch=True)
    page.goto(f"{server.url}/?room=page&name=Ada")
    expect(page.get_by_role("button", name="Join")).to_be_in_viewport(ratio=1)
    if width > height:
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), "the preview and Join are not seen together"
    page.get_by_role("button", name="Join").tap()
    expect(page.locator("#call")).to_be_visible()
    for button in page.locator(".toolbar button").all():
        expect(button).to_be_in_viewport(ratio=1)
    shapes = page.eval_on_selector_all(".toolbar .round:not(.leave)", "(all) => all.map((one) => one.offsetWidth - one.offsetHeight)")
    assert shapes == [0] * 5, "the buttons are not round"


def test_people_who_come_back_are_no_news(server, new_page):
    ada, grace = (enter(new_page(), server, name, camera="off", microphone="off") for name in ("Ada", "Grace"))
    expect(tile(ada, "Grace, camera off, microphone off")).to_be_visible()
    ada.evaluate(WATCH_TOASTS)
    server.kill()
    expect(ada.get_by_role("status")).to_have_text("Reconnecting")
    server.start()
    for page, other in ((ada, "Grace"), (grace, "Ada")):
        expect(page.get_by_role("status")).to_have_text("Connected")
        expect(tile(page, f"{other}, camera off, microphone off")).to_be_visible()
    assert ada.evaluate("toasts") == []


@pytest.mark.parametrize("options, kept", [({}, ["a", "d", "e"]), (PHONE, ["a", "e"])])
def test_a_few_toasts_at_most(server, new_page, options, kept):
    """News makes room first."""
    ada = enter(new_page(**options), server, "Ada", camera="off", microphone="off")
    ada.evaluate("""async () => {
      const { toast } = await import("/toasts.js");
      for (const text of "abcde") toast(text, text === "a" ? "notice" : "news");
    }""")
    expect(ada.locator(".toast")).to_have_text(kept)


def test_an_operator_mutes(server, new_page):
    """One note names everything. A share has ended then: the next press is a new one."""
    ada, grace = enter(new_page(), server, "Ada"), enter(new_page(), server, "Grace")
    share = ada.get_by_role("button", name="Share screen")
    for _ in range(2):
        share.click()
        expect(grace.locator(".tile.screen.live")).to_be_visible()
        server.needlectl("mute", "page", "Ada")
        expect(ada.locator(".toast")).to_have_text(["An operator turned off your microphone, camera and screen."])
        for name in ("Microphone", "Camera", "Share screen"):
            expect(ada.get_by_role("button", name=name)).to_have_attribute("aria-pressed", "false")
        for page in (ada, grace):
            expect(page.locator("#stage")).to_be_hidden()
        server.needlectl("mute", "page", "Ada", "--unmute")
        expect(ada.locator(".toast").last).to_have_text(
            "An operator unmuted your microphone and camera. They stay off until you turn them on.")
        for name in ("Microphone", "Camera"):
            ada.get_by_role("button", name=name).click()
        expect(ada.locator(".toast")).to_have_count(0)


@pytest.fixture
def silencing_page(chromium, network):
    """Of a browser that plays no sound on a page that nobody has touched."""
    arguments = [a for a in CHROMIUM_ARGUMENTS if not a.startswith("--autoplay-policy")]
    with network.clients.inside():
        browser = chromium.browser_type.launch(
            executable_path="/usr/bin/chromium", args=[*arguments, "--autoplay-policy=document-user-activation-required"])
    yield browser.new_page(ignore_https_errors=True)
    browser.close()


@pytest.mark.parametrize("touch", ["button", "elsewhere", "key"])
def test_silenced_until_touched(server, new_page, silencing_page, touch):
    for name in ("Ada", "Grace"):
        expect(enter(new_page(), server, name).locator(".tile.self.live")).to_be_visible()
    page = silencing_page
    page.goto(f"{server.url}/?room=page&name=Alan&autojoin=1")
    # To ask the page anything, were it whether it waits, would count as a touch.
    sinks = lambda: [sink for sink in server.admin("/streams")["sinks"] if sink["name"] == "Alan" and sink["packets"] > 0]
    wait_for(lambda: len(sinks()) == 4, "media on its way to the page")
    page.wait_for_timeout(5000)
    button = page.locator("#sound")
    expect(button).to_be_visible()
    box = button.bounding_box()
    if touch == "button":
        page.mouse.click(box["x"] + 5, box["y"] + 5)
    elif touch == "elsewhere":
        page.mouse.click(640, 22)
    else:
        page.keyboard.press("ArrowDown")
    expect(page.locator(".tile.live:not(.self)")).to_have_count(2)
    expect(page.locator("#silenced")).to_be_hidden()
    assert page.evaluate("[...document.querySelectorAll('.tile:not(.self) video')].map((video) => video.paused)") == [False, False]


def test_keyboard_alone(server, new_page):
    page = new_page()
    page.goto(f"{server.url}/?room=keyboard")
    expect(page.locator("#name")).to_be_focused()
    page.keyboard.type("Ada")
    page.keyboard.press("Enter")
    expect(page.locator("#call")).to_be_visible()
    unnamed = page.evaluate("""[...document.querySelectorAll("button, input, select")].filter((e) =>
      e.checkVisibility() && !e.ariaLabel && !e.labels?.length && !e.textContent.trim()).map((e) => e.outerHTML)""")
    assert unnamed == []


def test_enter_held_down(server, new_page):
    """Leaves and does not join again, nor turns anything on or off."""
    page = enter(new_page(), server, "Ada", camera="off", microphone="off")
    page.get_by_role("button", name="Leave").focus()
    for _ in range(5):
        page.keyboard.down("Enter")
    expect(page.locator("#lobby")).to_be_visible()
    expect(page.get_by_role("button", name="Join")).to_be_enabled()
    expect(page.locator("#call")).to_be_hidden()
