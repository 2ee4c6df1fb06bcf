"""Firefox over WebDriver BiDi: the few commands the tests need, over the browser's own WebSocket."""

import contextlib
import json
import re
import subprocess
import tempfile
import threading
from pathlib import Path

from websockets.sync.client import connect

from .waiting import wait_for

PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.navigator.permission.fake": True,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "network.proxy.type": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "services.settings.server": "data:,",
}


class Firefox:
    """One headless Firefox with a fresh profile, started in the namespace this thread is in."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="ntl-firefox-")
        self._resources = contextlib.ExitStack()
        self._said = []
        self._count = 0
        self._socket = self._process = None
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self):
        lines = [f'user_pref("{name}", {json.dumps(value)});' for name, value in PREFERENCES.items()]
        (Path(self._folder.name) / "user.js").write_text("\n".join(lines))
        self._process = subprocess.Popen(
            ["firefox-esr", "--headless", "--no-remote", "--profile", self._folder.name, "--remote-debugging-port", "0"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self._listen, daemon=True).start()
        address = wait_for(self._address, "Firefox to start")
        self._socket = self._resources.enter_context(connect(f"{address}/session", max_size=None, proxy=None))
        self.command("session.new", {"capabilities": {"alwaysMatch": {"acceptInsecureCerts": True}}})
        self.context = self.command("browsingContext.getTree", {})["contexts"][0]["context"]

    def _listen(self):
        for line in self._process.stderr:
            self._said.append(line)

    def _address(self):
        assert self._process.poll() is None, "Firefox ended: " + "".join(self._said[-10:])
        found = re.search(r"WebDriver BiDi listening on (ws://\S+)", "".join(self._said))
        return found and found.group(1)

    def command(self, method, parameters):
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=45))
            if message.get("id") != self._count:
                continue  # an event
            assert message["type"] == "success", f"{method}: {message.get('error')}: {message.get('message')}"
            return message["result"]

    def goto(self, url):
        self.command("browsingContext.navigate", {"context": self.context, "url": url, "wait": "complete"})

    def evaluate(self, function, argument=None):
        """Calls a JavaScript function with a JSON value; returns what it, or its promise, comes to."""
        result = self.command("script.callFunction", {
            "functionDeclaration": f"async (text) => JSON.stringify(await ({function})(JSON.parse(text)) ?? null)",
            "arguments": [{"type": "string", "value": json.dumps(argument)}],
            "target": {"context": self.context}, "awaitPromise": True, "userActivation": True,
        })
        assert result["type"] == "success", result["exceptionDetails"]["text"]
        return json.loads(result["result"]["value"])

    def close(self):
        if self._socket:
            try:
                self.command("browser.close", {})
            except Exception:
                pass
            self._resources.close()
        if self._process:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._folder.cleanup()
