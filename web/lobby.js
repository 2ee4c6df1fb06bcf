// The page before the call: who, where, with which devices.

import { videoQualities } from "./needletail.js";
import { Preview } from "./preview.js";
import { refusalWords } from "./words.js";

const $ = (id) => document.getElementById(id);
const devices = ["microphone", "camera"];

export class Lobby {
  #onjoin;
  #preview = new Preview();
  #isShown = false;
  // What is off only because it could not be opened.
  #failed = new Set();

  // `onjoin(choice)` enters the call; when it throws, the lobby says why.
  constructor({ parameters, onjoin }) {
    this.#onjoin = onjoin;
    $("room").value = parameters.get("room") ?? "lounge";
    $("name").value = parameters.get("name") ?? recall("localStorage", "name") ?? "";
    $("token").value = parameters.get("token") ?? recall("sessionStorage", "token") ?? "";
    if (Object.hasOwn(videoQualities, parameters.get("quality"))) $("quality").value = parameters.get("quality");
    for (const device of devices) {
      this.setOn(device, parameters.get(device) !== "off");
      $(`lobby-${device}`).onclick = () => this.#toggle(device);
    }
    $("camera-device").onchange = () => this.#showPreview();
    $("quality").onchange = () => this.#showPreview();
    $("join").onsubmit = (event) => { event.preventDefault(); this.#join(); };
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#isShown && this.#devicesChanged());
  }

  get choice() {
    return { room: $("room").value.trim(), name: $("name").value.trim(), token: $("token").value.trim() || null };
  }

  get quality() { return $("quality").value; }

  isOn(device) { return $(`lobby-${device}`).getAttribute("aria-pressed") === "true"; }

  setOn(device, isOn) {
    this.#failed.delete(device);
    $(`lobby-${device}`).setAttribute("aria-pressed", String(isOn));
  }

  // Constraints for the microphone or camera that was chosen.
  constraints(device) {
    const id = $(`${device}-device`).value;
    return id ? { deviceId: { exact: id } } : {};
  }

  // `failure` {code, message} is why we are here (again), in `words`.
  show(failure, words) {
    this.#isShown = true;
    $("lobby").hidden = false;
    this.#say(failure, words);
    ($("room").value && !$("name").value ? $("name") : $("join-button")).focus();
    this.#showPreview();
  }

  // Joins at once, as a link may ask; but a link turns on no camera and no microphone.
  autojoin() {
    for (const device of devices) this.setOn(device, false);
    this.show();
    return this.#join();
  }

  hide() {
    this.#isShown = false;
    $("lobby").hidden = true;
    this.#preview.stop();
  }

  async #join() {
    if (!$("join").reportValidity()) return;
    this.#say();
    $("join-button").disabled = true;
    $("join-button").textContent = "Joining…";
    try {
      const { name, token } = this.choice;
      remember("localStorage", "name", name);
      await this.#onjoin(this.choice);
      remember("sessionStorage", "token", token ?? "");
    } catch (error) {
      this.#say(error);
    } finally {
      $("join-button").disabled = false;
      $("join-button").textContent = "Join";
    }
  }

  #say(failure, words = refusalWords) {
    const needsToken = failure?.code === "unauthorized";
    if (needsToken) $("more").open = true;
    const said = failure && words(needsToken && this.choice.token ? { ...failure, code: "token-refused" } : failure);
    $("lobby-error").hidden = !said;
    $("lobby-error").textContent = said ?? "";
  }

  #toggle(device) {
    const hasFailed = this.#failed.has(device);
    this.setOn(device, !this.isOn(device));
    if (device === "camera" || hasFailed) this.#showPreview();
  }

  // Something was plugged in or out.
  #devicesChanged() {
    const isMissing = this.isOn("camera") && !this.#preview.isLive;
    if (isMissing || this.#failed.size > 0) this.#showPreview();
    else this.#preview.listDevices();
  }

  get #wanted() {
    const [microphone, camera] = devices.map((device) => (this.isOn(device) ? this.constraints(device) : null));
    return { microphone, camera, quality: this.quality };
  }

  // What failed before is tried again. What fails is off: the call need not find that out once more.
  async #showPreview() {
    for (const device of this.#failed) this.setOn(device, true);
    const failed = await this.#preview.show(this.#wanted);
    for (const device of failed) this.setOn(device, false);
    for (const device of failed) this.#failed.add(device);
  }
}

// Private windows may refuse storage; forgetting is no harm.
function remember(storage, key, value) {
  try { globalThis[storage].setItem(`needletail.${key}`, value); } catch { /* not kept */ }
}

function recall(storage, key) {
  try { return globalThis[storage].getItem(`needletail.${key}`); } catch { return null; }
}
