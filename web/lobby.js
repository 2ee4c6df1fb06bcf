// The page before the call: who, where, with which devices; and a preview of oneself.

import { captureFailure, requireSecureContext } from "./failures.js";
import { videoQualities } from "./needletail.js";
import { errorWords } from "./words.js";

const $ = (id) => document.getElementById(id);
const kinds = { microphone: "audioinput", camera: "videoinput" };

export class Lobby {
  #onjoin;
  #token;
  #preview = null;
  #previewing = 0;
  #isShown = false;

  // `onjoin(choice)` enters the call; when it throws, the lobby says why.
  constructor({ parameters, onjoin }) {
    this.#onjoin = onjoin;
    $("room").value = parameters.get("room") ?? "lounge";
    $("name").value = parameters.get("name") ?? recall("name") ?? "";
    $("token").value = parameters.get("token") ?? "";
    if (parameters.get("quality") in videoQualities) $("quality").value = parameters.get("quality");
    for (const device of Object.keys(kinds)) {
      setPressed(`lobby-${device}`, parameters.get(device) !== "off");
      $(`lobby-${device}`).onclick = () => this.#toggle(device);
    }
    $("camera-device").onchange = () => this.#showPreview();
    $("quality").onchange = () => this.#showPreview();
    $("join").onsubmit = (event) => { event.preventDefault(); this.join(); };
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#isShown && this.#listDevices());
  }

  // What the person chose: constraints of each device that is on, else null.
  get choice() {
    const constraints = (device) => {
      if (!isPressed(`lobby-${device}`)) return null;
      const id = $(`${device}-device`).value;
      return id ? { deviceId: { exact: id } } : {};
    };
    return {
      room: $("room").value.trim(), name: $("name").value.trim(), token: $("token").value.trim() || null,
      quality: $("quality").value, microphone: constraints("microphone"), camera: constraints("camera"),
    };
  }

  show(message) {
    this.#isShown = true;
    $("lobby").hidden = false;
    this.#say(message);
    ($("room").value && !$("name").value ? $("name") : $("join-button")).focus();
    this.#showPreview();
  }

  hide() {
    this.#isShown = false;
    $("lobby").hidden = true;
    this.#stopPreview();
  }

  async join() {
    if (!$("join").reportValidity()) return;
    this.#say();
    $("join-button").disabled = true;
    $("join-button").textContent = "Joining…";
    try {
      remember("name", this.choice.name);
      await this.#onjoin(this.choice);
    } catch (error) {
      this.#say(errorWords(error));
      if (error.code === "unauthorized") $("more").open = true;
    } finally {
      $("join-button").disabled = false;
      $("join-button").textContent = "Join";
    }
  }

  #say(message) {
    $("lobby-error").hidden = !message;
    $("lobby-error").textContent = message ?? "";
  }

  #toggle(device) {
    setPressed(`lobby-${device}`, !isPressed(`lobby-${device}`));
    if (device === "camera") this.#showPreview();
  }

  async #showPreview() {
    this.#stopPreview();
    const turn = ++this.#previewing;
    const { camera, quality } = this.choice;
    $("preview-note").textContent = camera ? "" : "Camera is off";
    try {
      requireSecureContext();
      if (camera) {
        const { width, height } = videoQualities[quality];
        const wanted = { video: { width: { ideal: width }, height: { ideal: height }, ...camera } };
        const stream = await navigator.mediaDevices.getUserMedia(wanted);
        if (turn !== this.#previewing || !this.#isShown) return stopAll(stream);
        $("preview").srcObject = this.#preview = stream;
      }
      await this.#listDevices();
    } catch (error) {
      if (turn === this.#previewing) $("preview-note").textContent = errorWords(captureFailure(error, "camera"));
    }
  }

  #stopPreview() {
    this.#previewing += 1;
    stopAll(this.#preview);
    $("preview").srcObject = this.#preview = null;
  }

  async #listDevices() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    for (const [device, kind] of Object.entries(kinds)) {
      const list = $(`${device}-device`);
      const chosen = list.value;
      const found = devices.filter((candidate) => candidate.kind === kind && candidate.deviceId);
      list.replaceChildren(new Option(`Default ${device}`, ""), ...found.map(({ label, deviceId }) => new Option(label || device, deviceId)));
      if (found.some(({ deviceId }) => deviceId === chosen)) list.value = chosen;
    }
  }
}

const isPressed = (id) => $(id).getAttribute("aria-pressed") === "true";
const setPressed = (id, pressed) => $(id).setAttribute("aria-pressed", String(pressed));
const stopAll = (stream) => stream?.getTracks().forEach((track) => track.stop());

// Private windows may refuse storage; forgetting the name is no harm.
function remember(key, value) {
  try { localStorage.setItem(`needletail.${key}`, value); } catch { /* not kept */ }
}

function recall(key) {
  try { return localStorage.getItem(`needletail.${key}`); } catch { return null; }
}
