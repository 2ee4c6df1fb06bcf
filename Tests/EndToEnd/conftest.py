import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.aiortc_client import NamespaceLoop  # noqa: E402
from harness.firefox import Firefox  # noqa: E402
from harness.network import Network  # noqa: E402
from harness.participant import Participant  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.waiting import PATIENCE  # noqa: E402
from playwright.sync_api import expect, sync_playwright  # noqa: E402

CHROMIUM_ARGUMENTS = [
    "--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--ignore-certificate-errors",
    "--autoplay-policy=no-user-gesture-required", "--auto-select-desktop-capture-source=Entire screen",
    "--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
]

expect.set_options(timeout=PATIENCE * 1000)


@pytest.fixture(scope="session")
def network():
    network = Network()
    yield network
    network.remove()


@pytest.fixture
def start_server(network, tmp_path):
    """Starts a server with these configuration keys; it is stopped when the test ends."""
    servers = []

    def start(log=None, **keys):
        server = Server(network, tmp_path, **keys)
        server.log = log or server.log
        servers.append(server)
        return server.start()

    yield start
    network.restore()
    for server in servers:
        server.kill()


@pytest.fixture
def server(start_server):
    return start_server()


@pytest.fixture
def settings(network):
    """What the settings of lo are that the fast path changes."""
    names = ["accept_local", "route_localnet"]
    settings = lambda: [network.server.run("sysctl", "-n", f"net.ipv4.conf.lo.{name}").strip() for name in names]
    assert settings() == ["0", "0"], "the test would prove nothing"
    return settings


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what the server said last, and what it knew of media then."""
    report = yield
    server = getattr(item, "funcargs", {}).get("server")
    if report.failed and server and server.process:
        try:
            streams, fast_path = server.admin("/streams"), server.admin("/fastpath")
            shown = ["name", "kind", "ssrc", "source", "id", "packets", "packetsOnXSK", "packetsOnSocket", "authenticationFailures", "dropped", "lane"]
            lines = [f"{kind}: { {key: s[key] for key in shown if key in s} }" for kind in ("sources", "sinks") for s in streams[kind]]
            counts = {v["name"]: v["count"] for v in fast_path["verdicts"] if v["count"]}
            report.sections.append(("server media", "\n".join([*lines, str(counts)])))
        except (AssertionError, OSError) as error:
            report.sections.append(("server media", f"the server does not answer: {error}"))
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and folder and (folder / "server.log").exists():
        lines = (folder / "server.log").read_text(errors="replace").splitlines()[-40:]
        report.sections.append(("server log", "\n".join(lines)))
    return report


@pytest.fixture(scope="session")
def chromium(network):
    with network.clients.inside():
        playwright = sync_playwright().start()
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_ARGUMENTS)
    yield browser
    browser.close()
    playwright.stop()


@pytest.fixture
def new_page(chromium):
    """Opens a page of its own context: a person of its own. A script error on a page fails the test."""
    contexts, failures = [], []

    def make(**options):
        context = chromium.new_context(ignore_https_errors=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: failures.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert not failures, f"script errors: {failures}"


@pytest.fixture
def new_participant(new_page, server):
    return lambda: Participant(new_page(), server)


@pytest.fixture
def firefox(network):
    with network.clients.inside():
        firefox = Firefox()
    yield firefox
    firefox.close()


@pytest.fixture
def aiortc(network):
    """A loop inside the clients' namespace on which aiortc sessions run."""
    loop = NamespaceLoop(network.clients)
    yield loop
    loop.close()
