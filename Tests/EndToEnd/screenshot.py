"""Makes docs/demo.png: the demo page in a call of four, with statistics. Run as root, with the server built:

    .venv/bin/python Tests/EndToEnd/screenshot.py [FILE]
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from conftest import CHROMIUM_ARGUMENTS  # noqa: E402
from harness.network import Network  # noqa: E402
from harness.server import ROOT, Server  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

PEOPLE = [("Ada Lovelace", 200), ("Grace Hopper", 330), ("Alan Turing", 30), ("Hedy Lamarr", 150)]

# A camera with something to look at: a figure in soft light instead of the browser's green test picture.
CAMERA = """(hue) => {
  const original = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    if (!wanted.video) return original(wanted);
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
    const paint = canvas.getContext("2d");
    const ball = (x, y, r, h, s, l) => {
      const light = paint.createRadialGradient(x - r / 3, y - r / 3, r / 8, x, y, r);
      light.addColorStop(0, `hsl(${h} ${s}% ${l + 12}%)`);
      light.addColorStop(1, `hsl(${h} ${s}% ${l}%)`);
      paint.fillStyle = light;
      paint.beginPath();
      paint.arc(x, y, r, 0, 7);
      paint.fill();
    };
    const draw = () => {
      const t = performance.now() / 1000;
      const wall = paint.createLinearGradient(0, 0, 640, 360);
      wall.addColorStop(0, `hsl(${hue} 45% 34%)`);
      wall.addColorStop(1, `hsl(${hue + 50} 50% 14%)`);
      paint.fillStyle = wall;
      paint.fillRect(0, 0, 640, 360);
      for (let i = 0; i < 6; i += 1) {
        paint.globalAlpha = 0.12;
        ball(110 * i + 30 * Math.sin(t / 3 + i), 90 + 50 * Math.cos(t / 4 + 2 * i), 46 + 9 * i, hue + 25 * i, 70, 60);
      }
      paint.globalAlpha = 1;
      const sway = 7 * Math.sin(t);
      ball(320 + sway / 2, 400, 150, hue + 170, 32, 30);
      ball(320 + sway, 185, 78, 26, 42, 58);
    };
    draw();
    setInterval(draw, 50);
    return canvas.captureStream(20);
  };
}"""


def main(path):
    network = Network()
    server = None
    try:
        with tempfile.TemporaryDirectory() as folder, network.clients.inside(), sync_playwright() as playwright:
            server = Server(network, folder).start()
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_ARGUMENTS)
            pages = []
            for name, hue in PEOPLE:
                context = browser.new_context(ignore_https_errors=True, bypass_csp=True, viewport={"width": 1280, "height": 800})
                page = context.new_page()
                page.add_init_script(f"({CAMERA})({hue})")
                page.goto(f"{server.url}/?room=lounge&name={name.replace(' ', '%20')}&autojoin=1&quality=medium")
                for device in ("Microphone", "Camera"):
                    page.get_by_role("button", name=device).click()
                pages.append(page)
            first = pages[0]
            first.wait_for_function(f"document.querySelectorAll('.tile.live').length === {len(PEOPLE)}", timeout=30_000)
            first.get_by_role("button", name="Statistics").click()
            first.wait_for_function("""[...document.querySelectorAll('.figures')].every((f) => /lanexsk/.test(f.textContent)
              && /size640×360/.test(f.textContent) && !/ 0 kbit/.test(f.textContent))
              && !document.querySelector('.toast')""", timeout=40_000)
            first.screenshot(path=path)
            browser.close()
    finally:
        if server:
            server.kill()
        network.remove()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "docs/demo.png"))
