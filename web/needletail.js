// The client of a Needletail server. `connect` joins a room; the Room it returns publishes, receives and tells what happens.
// Documented in README.md, beside this file.

import { NeedletailError, captureFailure, finalCodes, requireSecureContext } from "./failures.js";
import { Publisher } from "./publisher.js";
import { Signalling, signallingURL } from "./signalling.js";
import { Statistics } from "./statistics.js";
import { Subscriber } from "./subscriber.js";

export { NeedletailError };

// Every room this page is in: for debugging from the console and for tests.
export const rooms = new Set();

// Joins `room` as `name`; rejects with a NeedletailError when that is refused or the server cannot be reached.
export function connect(options) {
  return new Room(options).join();
}

export const videoQualities = {
  high: { width: 1280, height: 720, frameRate: 30, maxBitrate: 2_500_000 },
  medium: { width: 640, height: 360, frameRate: 30, maxBitrate: 800_000 },
  low: { width: 320, height: 180, frameRate: 15, maxBitrate: 250_000 },
};

const firstBackoff = 500; // milliseconds; doubles with each attempt
const longestBackoff = 8_000;
const patience = 4_000; // milliseconds that media may be interrupted before ICE is restarted

export class Room extends EventTarget {
  // "connecting", "connected", "reconnecting" or "closed".
  state = "connecting";
  name;
  // Oneself: {id, name}; set once joined.
  self = null;
  // The others, by id: {id, name, tracks: Map of track id → {id, kind, label, codecs, muted, media, participant}}.
  participants = new Map();
  #options;
  #signalling = null;
  #resume = null;
  #iceServers = [];
  #joining = null;
  #isJoined = false;
  #lostAt = null;
  #retry = null;
  #backoff = firstBackoff;
  #watchdogs = new Map();
  #everConnected = new WeakSet();
  #quality = new Map();
  #statistics = new Statistics();
  #streams = { user: new MediaStream(), screen: new MediaStream() };
  #publisher = new Publisher({ send: (message) => this.#send(message), onstate: () => this.#mediaChanged("publish") });
  #subscriber = new Subscriber({
    send: (message) => this.#send(message), onstate: () => this.#mediaChanged("subscribe"), onmedia: () => this.#attachMedia(),
  });
  #wanted = null;

  constructor({ url, room, name, token = null, reconnectFor = 300_000 }) {
    super();
    this.name = room;
    this.#options = { url: signallingURL(url), room, name, token, reconnectFor };
  }

  join() {
    return new Promise((resolve, reject) => {
      this.#joining = { resolve, reject };
      this.#open();
    });
  }

  // Leaves the room and releases camera, microphone and screen.
  leave() {
    this.#send({ type: "leave" });
    this.#close("left");
  }

  // -- Publishing

  // Publishes the microphone. `constraints` are getUserMedia's for audio, e.g. {deviceId}.
  async publishMicrophone(constraints = {}) {
    const media = await capture({ audio: { echoCancellation: true, noiseSuppression: true, ...constraints } }, "microphone");
    return this.publishTrack(media, "microphone");
  }

  // Publishes the camera. `constraints` are getUserMedia's for video; `quality` one of `videoQualities`.
  async publishCamera({ quality = "high", ...constraints } = {}) {
    const { maxBitrate, width, height, frameRate } = videoQualities[quality];
    const wanted = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: frameRate }, ...constraints };
    const recapture = () => capture({ video: wanted }, "camera");
    return this.publishTrack(await recapture(), "camera", { encoding: { maxBitrate }, recapture });
  }

  // Publishes a screen, window or tab that the person picks, and its sound where the browser offers it.
  async publishScreen() {
    requireSecureContext();
    const shared = await navigator.mediaDevices
      .getDisplayMedia({ video: { frameRate: { ideal: 15, max: 30 } }, audio: true })
      .catch((error) => { throw captureFailure(error, "screen"); });
    const [video] = shared.getVideoTracks();
    const [audio] = shared.getAudioTracks();
    video.contentHint = "detail";
    try {
      await this.publishTrack(video, "screen", { encoding: { maxBitrate: 3_000_000 } });
      if (audio) await this.publishTrack(audio, "screen-audio");
    } catch (error) {
      for (const track of shared.getTracks()) track.stop();
      throw error;
    }
    return video;
  }

  // Publishes any MediaStreamTrack under a label: "microphone", "camera", "screen" or "screen-audio".
  // `recapture`, for a camera: how to open it again after it was closed by muting.
  async publishTrack(media, label, { encoding, recapture } = {}) {
    const group = label.startsWith("screen") ? this.#streams.screen : this.#streams.user;
    const source = { label, kind: media.kind, media, encoding, recapture, group, muted: false, id: null };
    media.onended = () => this.#deviceEnded(source);
    await this.#publisher.add(source);
    this.#emit("published", { label });
    return media;
  }

  async unpublish(label) {
    const source = this.#publisher.sources.get(label);
    release(source?.media);
    await this.#publisher.remove(label);
    this.#emit("published", { label });
    if (label === "screen" && this.#publisher.sources.has("screen-audio")) await this.unpublish("screen-audio");
  }

  mute(label) { return this.setMuted(label, true); }
  unmute(label) { return this.setMuted(label, false); }

  // Muting the microphone sends silence no more; muting the camera also closes it, so that its light goes out.
  async setMuted(label, muted) {
    const source = this.#publisher.sources.get(label);
    if (!source || source.muted === muted) return;
    if (!muted && source.recapture && !source.media) {
      source.media = await source.recapture();
      source.media.onended = () => this.#deviceEnded(source);
      await source.transceiver?.sender.replaceTrack(source.media);
    }
    source.muted = muted;
    if (source.media) source.media.enabled = !muted;
    if (source.id) this.#send({ type: "mute", track: source.id, muted });
    if (muted && source.recapture) {
      release(source.media);
      source.media = null;
      await source.transceiver?.sender.replaceTrack(null);
    }
    this.#emit("published", { label });
  }

  // What is published: label → {id, kind, media, muted}. `media` is null while a camera is muted.
  get published() {
    return new Map([...this.#publisher.sources].map(([label, { id, kind, media, muted }]) => [label, { id, kind, media, muted }]));
  }

  // -- Receiving

  // Receives only these tracks (ids), or, with null, every track.
  setSubscriptions(tracks) {
    this.#wanted = tracks;
    this.#send({ type: "subscribe", tracks });
  }

  // One entry per sent and received track: see README.md. Rates are over the time since about a second ago.
  async stats() {
    const sent = new Map([...this.#publisher.sources.values()].map((source) => [source.transceiver?.mid, source]));
    const received = new Map([...this.#subscriber.receiving].map(([id, transceiver]) => [transceiver.mid, id]));
    const describe = (direction, participant, { id, label }) => {
      const { lane = null, laneReason = null, loss = null } = this.#quality.get(`${direction} ${id}`) ?? {};
      return { participant, track: id, label, lane, laneReason, serverLoss: loss };
    };
    const entries = await Promise.all([
      this.#statistics.of(this.#publisher.connection, ({ mid }) => {
        const source = sent.get(mid);
        return source?.id && describe("send", this.self.id, source);
      }),
      this.#statistics.of(this.#subscriber.connection, ({ mid }) => {
        const track = this.#track(received.get(mid));
        return track && describe("receive", track.participant, track);
      }),
    ]);
    return entries.flat();
  }

  // Finds a new network path for a peer ("publish" or "subscribe"; default both), keeping its connection. Happens by itself
  // when media stops; call it when the network is known to have changed.
  async restart(target) {
    if (target !== "publish" && this.#subscriber.connection) this.#subscriber.restart();
    if (target !== "subscribe" && this.#publisher.connection) {
      await this.#publisher.restart().catch((error) => this.#requestFailed(error));
    }
  }

  // -- Joining, and joining again

  #open() {
    rooms.add(this);
    this.#signalling = new Signalling(this.#options.url, {
      onopen: () => {
        const { room, name, token } = this.#options;
        this.#send({ type: "join", room, name, ...(token && { token }), ...(this.#resume && { resume: this.#resume }) });
      },
      onmessage: (message) => this.#received(message),
      onend: () => this.#lost(),
    });
  }

  #lost() {
    if (this.#joining) return this.#refuseJoin("unreachable", "The server cannot be reached. Check its address and your network.");
    if (this.state === "closed") return;
    this.#isJoined = false;
    this.#lostAt ??= Date.now();
    if (Date.now() - this.#lostAt > this.#options.reconnectFor) return this.#close("unreachable", "The server is gone.");
    this.#updateState();
    const pause = this.#backoff * (0.75 + Math.random() / 2);
    this.#backoff = Math.min(longestBackoff, this.#backoff * 2);
    this.#retry = setTimeout(() => this.#open(), pause);
  }

  async #joined({ participant, participants, iceServers, resume }) {
    this.self = { id: participant.id, name: participant.name };
    this.#resume = resume;
    this.#iceServers = iceServers ?? [];
    this.#isJoined = true;
    this.#lostAt = null;
    this.#backoff = firstBackoff;
    this.#quality.clear();
    this.#statistics.forget();
    this.#subscriber.open(this.#iceServers);
    this.#replaceParticipants(participants);
    if (this.#wanted) this.#send({ type: "subscribe", tracks: this.#wanted });
    this.#updateState();
    this.#joining?.resolve(this);
    this.#joining = null;
    await this.#publishAgain(() => this.#publisher.open(this.#iceServers));
  }

  #refuseJoin(code, message) {
    const { reject } = this.#joining;
    this.#joining = null;
    this.#close(code);
    reject(new NeedletailError(code, message));
  }

  #close(reason, message) {
    if (this.state === "closed") return;
    clearTimeout(this.#retry);
    for (const timer of this.#watchdogs.values()) clearTimeout(timer);
    this.#signalling.close();
    this.#publisher.close();
    this.#subscriber.close();
    for (const { media } of this.#publisher.sources.values()) release(media);
    rooms.delete(this);
    this.state = "closed";
    this.#emit("state", { state: "closed", reason, message });
  }

  // -- What the server says

  #received(message) {
    switch (message.type) {
      case "joined": return this.#joined(message);
      case "answer": return this.#publisher.answered(message);
      case "offer":
        return this.#subscriber.offered(message).catch((error) => this.#report("negotiation-failed", error.message));
      case "participant": return message.event === "left" ? this.#left(message.participant.id) : this.#arrived(message.participant);
      case "track": return this.#trackChanged(message);
      case "quality": return this.#qualityChanged(message.tracks);
      case "error": return this.#refused(message);
    }
  }

  #refused({ code, message }) {
    if (this.#joining) return this.#refuseJoin(code, message);
    if (code === "peer-failed") return this.#peerFailed(message);
    if (finalCodes.has(code) && (!this.#isJoined || code === "kicked" || code === "room-closed" || code === "replaced")) {
      return this.#close(code, message);
    }
    if (!this.#isJoined) return this.#signalling.abandon(); // e.g. draining: try again later
    if (this.#publisher.isNegotiating) return this.#publisher.refused(new NeedletailError(code, message));
    this.#report(code, message);
  }

  #arrived({ id, name, tracks }) {
    if (this.participants.has(id)) return;
    const participant = { id, name, tracks: new Map() };
    this.participants.set(id, participant);
    this.#emit("participantjoined", { participant });
    for (const track of tracks) this.#addTrack(participant, track);
  }

  #left(id) {
    const participant = this.participants.get(id);
    if (!participant) return;
    for (const track of participant.tracks.values()) this.#removeTrack(participant, track);
    this.participants.delete(id);
    this.#emit("participantleft", { participant });
  }

  // After joining again: the list is the truth, whatever was known before.
  #replaceParticipants(list) {
    for (const id of [...this.participants.keys()]) this.#left(id);
    for (const participant of list) this.#arrived(participant);
  }

  #trackChanged({ event, participant: id, track: info }) {
    const participant = this.participants.get(id);
    const ours = [...this.#publisher.sources.values()].find((source) => source.id === info.id);
    if (ours) return this.setMuted(ours.label, info.muted); // an operator muted us
    if (!participant) return;
    if (event === "added") return this.#addTrack(participant, info);
    const track = participant.tracks.get(info.id);
    if (!track) return;
    if (event === "removed") return this.#removeTrack(participant, track);
    track.muted = info.muted;
    this.#emit(info.muted ? "trackmuted" : "trackunmuted", { participant, track });
  }

  #addTrack(participant, info) {
    if (participant.tracks.has(info.id)) return;
    const track = { ...info, participant: participant.id, media: this.#subscriber.receiving.get(info.id)?.receiver.track ?? null };
    participant.tracks.set(track.id, track);
    this.#emit("trackadded", { participant, track });
  }

  #removeTrack(participant, track) {
    participant.tracks.delete(track.id);
    this.#quality.delete(`receive ${track.id}`);
    this.#emit("trackremoved", { participant, track });
  }

  #attachMedia() {
    for (const participant of this.participants.values()) {
      for (const track of participant.tracks.values()) {
        const media = this.#subscriber.receiving.get(track.id)?.receiver.track ?? null;
        if (media === track.media) continue;
        track.media = media;
        this.#emit("trackmedia", { participant, track });
      }
    }
  }

  #qualityChanged(tracks) {
    for (const quality of tracks) this.#quality.set(`${quality.direction} ${quality.track}`, quality);
    this.#emit("quality", { tracks });
  }

  #track(id) {
    for (const { tracks } of this.participants.values()) if (tracks.has(id)) return tracks.get(id);
  }

  // -- Media that stops

  #mediaChanged(target) {
    const { connection } = target === "publish" ? this.#publisher : this.#subscriber;
    const state = connection?.connectionState;
    clearTimeout(this.#watchdogs.get(target));
    if (state === "connected") this.#everConnected.add(connection);
    if (state === "failed") this.#revive(target);
    if (state === "disconnected") this.#watchdogs.set(target, setTimeout(() => this.#revive(target), patience));
    this.#updateState();
  }

  #revive(target) {
    if (this.#isJoined) this.restart(target);
  }

  // The server has given the peer up: an ICE restart cannot help any more, a new connection does.
  async #peerFailed(message) {
    if (this.#publisher.isNegotiating) return this.#signalling.abandon(); // it answers a peer that no longer exists
    if (this.#publisher.connection && /\bpublish\b/.test(message)) await this.#publishAgain(() => this.#publisher.renew());
    else this.setSubscriptions(this.#wanted);
  }

  async #publishAgain(publish) {
    try {
      await publish();
      for (const { id, muted } of this.#publisher.sources.values()) if (id && muted) this.#send({ type: "mute", track: id, muted });
    } catch (error) {
      this.#requestFailed(error);
    }
  }

  // No answer means that the WebSocket is dead, even if the browser has not noticed.
  #requestFailed(error) {
    if (error.code === "timeout") this.#signalling.abandon();
    else if (error.code !== "closed") this.#report(error.code ?? "negotiation-failed", error.message);
  }

  #updateState() {
    if (this.state === "closed") return;
    const interrupted = [this.#publisher.connection, this.#subscriber.connection].some(
      (connection) => connection && connection.connectionState !== "connected"
        && (this.#everConnected.has(connection) || connection.connectionState === "failed"));
    const state = this.#joining ? "connecting" : this.#isJoined && !interrupted ? "connected" : "reconnecting";
    if (state === this.state) return;
    this.state = state;
    this.#emit("state", { state });
  }

  #deviceEnded(source) {
    if (this.#publisher.sources.get(source.label) !== source) return;
    if (!source.label.startsWith("screen")) this.#report("device-lost", `The ${source.label} was disconnected.`);
    this.unpublish(source.label).catch((error) => this.#requestFailed(error));
  }

  #report(code, message) {
    this.#emit("error", { code, message });
  }

  #send(message) {
    this.#signalling?.send(message);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

async function capture(constraints, device) {
  requireSecureContext();
  try {
    const stream = await navigator.mediaDevices.getUserMedia(constraints);
    return stream.getTracks()[0];
  } catch (error) {
    throw captureFailure(error, device);
  }
}

// Stops a track that we stop on purpose: no one is told that its device ended.
function release(media) {
  if (!media) return;
  media.onended = null;
  media.stop();
}
