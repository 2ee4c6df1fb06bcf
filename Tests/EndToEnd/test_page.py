"""The demo page, as a person uses it."""

import re

import pytest
from playwright.sync_api import expect

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def enter(page, server, name, room="page", **parameters):
    query = "".join(f"&{key}={value}" for key, value in ({"quality": "low"} | parameters).items())
    page.goto(f"{server.url}/?room={room}&name={name}{query}")
    page.get_by_role("button", name="Join").click()
    expect(page.locator("#call")).to_be_visible(timeout=10_000)
    return page


def tile(page, label):
    return page.get_by_role("listitem", name=label, exact=True)


def test_two_people_meet(server, new_page):
    ada, grace = enter(new_page(), server, "Ada"), enter(new_page(**PHONE), server, "Grace")
    for page, other in ((ada, "Grace"), (grace, "Ada")):
        expect(page.locator(f".tile.live[data-name={other}]")).to_be_visible(timeout=15_000)
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
    expect(grace.locator(".tile.live[data-name=Ada]")).to_be_visible(timeout=15_000)
    ada.get_by_role("button", name="Leave").click()
    expect(ada.locator("#lobby")).to_be_visible()
    expect(grace.locator("[data-name=Ada]")).to_have_count(0)


def test_statistics_overlay(server, new_page):
    ada, grace = enter(new_page(), server, "Ada"), enter(new_page(), server, "Grace")
    ada.get_by_role("button", name="Statistics").click()
    figures = ada.locator("[data-name=Grace] .figures")
    expect(figures).to_contain_text(re.compile(r"size320×180.*fps.*bit/s.*loss\d.*lanexsk"), timeout=20_000)


def test_sharing_the_screen(server, new_page):
    ada, grace = enter(new_page(), server, "Ada"), enter(new_page(), server, "Grace")
    ada.get_by_role("button", name="Share screen").click()
    expect(grace.locator(".tile.screen.live")).to_be_visible(timeout=20_000)
    ada.get_by_role("button", name="Share screen").click()
    expect(grace.locator(".tile.screen")).to_have_count(0)


def test_the_page_says_that_it_reconnects(server, new_page):
    ada = enter(new_page(), server, "Ada")
    server.kill()
    expect(ada.get_by_role("alert")).to_contain_text("Reconnecting", timeout=10_000)
    server.start()
    expect(ada.get_by_role("status")).to_have_text("Connected", timeout=25_000)
    expect(ada.locator("#banner")).to_be_hidden()


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


@pytest.mark.parametrize("name, words", [("NotAllowedError", "may not use the camera"), ("NotFoundError", "No camera was found")])
def test_no_camera(server, new_page, name, words):
    page = new_page()
    page.add_init_script(f"""navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException("no", "{name}"); }};""")
    page.goto(f"{server.url}/?room=page&name=Ada")
    expect(page.locator("#preview-note")).to_contain_text(words)
    page.get_by_role("button", name="Join").click()
    expect(page.locator("#toasts")).to_contain_text(words)
    expect(tile(page, "Ada (you), camera off, microphone off")).to_be_visible()


def test_insecure_context(start_server, new_page):
    server = start_server(plain_http=True)
    page = new_page()
    page.goto(f"{server.url}/?room=page&name=Ada")
    expect(page.locator("#preview-note")).to_contain_text("https://")


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
