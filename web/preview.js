// What the camera sees, before the call; and which cameras and microphones there are.

import { captureFailure, requireSecureContext } from "./failures.js";
import { videoQualities } from "./needletail.js";
import { errorWords } from "./words.js";

const $ = (id) => document.getElementById(id);
const devices = { audio: "microphone", video: "camera" };

export class Preview {
  #stream = null;
  #turn = 0;
  #hasHeard = false;

  // `camera`, `microphone`: constraints, or null for one that is off. The microphone is only asked for once, so that the
  // browser asks for both at once and then tells what they are called. Returns what could not be opened.
  async show({ camera, microphone, quality }) {
    this.stop();
    const turn = this.#turn;
    $("preview-note").textContent = camera ? "" : "Camera is off";
    try {
      requireSecureContext();
      const { width, height } = videoQualities[quality];
      const { stream, failures } = await open({
        ...(camera && { video: { width: { ideal: width }, height: { ideal: height }, ...camera } }),
        ...(microphone && !this.#hasHeard && { audio: microphone }),
      });
      this.#hasHeard ||= stopAll(stream.getAudioTracks()) > 0;
      await this.listDevices();
      if (turn !== this.#turn) {
        stopAll(stream.getTracks());
        return [];
      }
      this.#stream = stream;
      if (stream.active) $("preview").srcObject = stream;
      if (failures.length > 0) $("preview-note").textContent = failureWords(failures);
      return failures.map(({ device }) => device);
    } catch (error) {
      if (turn === this.#turn) $("preview-note").textContent = errorWords(error);
      return [camera && "camera", microphone && "microphone"].filter(Boolean);
    }
  }

  // Whether the camera is seen.
  get isLive() { return Boolean(this.#stream?.getVideoTracks().some(({ readyState }) => readyState === "live")); }

  async listDevices() {
    const all = await navigator.mediaDevices.enumerateDevices();
    for (const [kind, device] of Object.entries(devices)) {
      const list = $(`${device}-device`);
      const chosen = list.value;
      const present = all.filter((candidate) => candidate.kind === `${kind}input`);
      const named = present.filter(({ deviceId }) => deviceId);
      list.replaceChildren(
        new Option(present.length > 0 ? `Default ${device}` : `No ${device} found`, ""),
        ...named.map(({ label, deviceId }) => new Option(label || device, deviceId)));
      if (named.some(({ deviceId }) => deviceId === chosen)) list.value = chosen;
    }
  }

  stop() {
    this.#turn += 1;
    if (this.#stream) stopAll(this.#stream.getTracks());
    $("preview").srcObject = this.#stream = null;
  }
}

// Opens what `wanted`, getUserMedia's constraints, names: all of it, or else each thing that can be had alone.
async function open(wanted) {
  const stream = new MediaStream();
  const failures = [];
  const add = async (constraints) => {
    for (const track of (await navigator.mediaDevices.getUserMedia(constraints)).getTracks()) stream.addTrack(track);
  };
  const kinds = Object.keys(wanted);
  if (kinds.length > 1 && await add(wanted).then(() => true, () => false)) return { stream, failures };
  for (const kind of kinds) {
    await add({ [kind]: wanted[kind] }).catch((error) => failures.push({ device: devices[kind], error }));
  }
  return { stream, failures };
}

// What failed in the same way is told in one sentence, else in a line each.
function failureWords(failures) {
  const told = failures.map(({ device, error }) => captureFailure(error, device));
  if (new Set(told.map(({ code }) => code)).size > 1) return told.map(errorWords).join("\n");
  return errorWords(captureFailure(failures[0].error, failures.map(({ device }) => device).join(" or ")));
}

function stopAll(tracks) {
  for (const track of tracks) track.stop();
  return tracks.length;
}
