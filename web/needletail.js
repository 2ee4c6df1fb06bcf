// The client of a Needletail server. `connect` joins a room; the Room it returns publishes, receives and tells what happens.
// Documented in README.md, beside this file.

import { videoQualities } from "./capture.js";
import { NeedletailError, finalCodes } from "./failures.js";
import { OwnMedia } from "./own-media.js";
import { Publisher } from "./publisher.js";
import { Retry } from "./retry.js";
import { Roster } from "./roster.js";
import { Signalling, signallingURL } from "./signalling.js";
import { Statistics } from "./statistics.js";
import { Subscriber } from "./subscriber.js";
import { Watchdog } from "./watchdog.js";

export { NeedletailError, videoQualities };

// Every room this page is in: for debugging from the console and for tests.
export const rooms = new Set();

// Joins `room` as `name`; rejects with a NeedletailError when that is refused or the server cannot be reached.
export async function connect(options) {
  return new Room(options).join();
}

const probeInterval = 15_000; // milliseconds

export class Room extends EventTarget {
  // "connecting", "connected", "reconnecting" or "closed".
  state = "connecting";
  name;
  // Oneself: {id, name}; set once joined.
  self = null;
  // Ids of the participants who speak now, oneself among them, the loudest first.
  speakers = [];
  #options;
  #signalling = null;
  #resume = null;
  #iceServers = [];
  #joining = null;
  #isJoined = false;
  #retry;
  #probing = null;
  #watchdog = new Watchdog((target) => this.#isJoined && this.restart(target));
  #publisher = new Publisher({ send: (...all) => this.#send(...all), onstate: () => this.#mediaChanged("publish") });
  #own = new OwnMedia(this.#publisher, {
    send: (message) => this.#send(message), onchange: (label) => this.#emit("published", { label }),
    onlost: (label) => this.#report("device-lost", `The ${label} was disconnected.`), onfailure: (error) => this.#requestFailed(error),
  });
  #subscriber = new Subscriber({
    send: (...all) => this.#send(...all), onstate: () => this.#mediaChanged("subscribe"), onmedia: () => this.#roster.attachMedia(),
  });
  #roster = new Roster({
    emit: (type, detail) => this.#rosterChanged(type, detail),
    mediaOf: (id) => this.#subscriber.receiving.get(id)?.receiver.track ?? null,
  });
  #statistics = new Statistics({ publisher: this.#publisher, subscriber: this.#subscriber, roster: this.#roster });
  #wanted = null;

  constructor({ url, room, name, token = null, reconnectFor = 300_000 }) {
    super();
    this.name = room;
    this.#options = { url: signallingURL(url), room, name, token };
    this.#retry = new Retry(() => this.#open(), reconnectFor);
  }

  // The others, by id: {id, name, tracks: Map of track id → {id, kind, label, codecs, muted, media, participant}}.
  get participants() { return this.#roster.participants; }

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
  publishMicrophone(constraints = {}) { return this.#own.publishMicrophone(constraints); }

  // Publishes the camera. `constraints` are getUserMedia's for video; `quality` one of `videoQualities`.
  publishCamera({ quality = "high", ...constraints } = {}) { return this.#own.publishCamera({ quality, ...constraints }); }

  // Publishes a screen, window or tab that the person picks, and its sound where the browser offers it.
  publishScreen() { return this.#own.publishScreen(); }

  // Publishes any MediaStreamTrack under a label: "microphone", "camera", "screen" or "screen-audio". It stays the caller's:
  // nothing here ever stops it.
  publishTrack(media, label, options = {}) { return this.#own.publish(media, label, options); }

  unpublish(label) { return this.#own.unpublish(label); }

  mute(label) { return this.setMuted(label, true); }
  unmute(label) { return this.setMuted(label, false); }

  // Muting the microphone sends silence no more; muting the camera also closes it, so that its light goes out.
  setMuted(label, muted) { return this.#own.setMuted(label, muted); }

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
  stats() { return this.#statistics.all(this.self?.id); }

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
    this.#signalling = new Signalling(this.#options.url, {
      onopen: async () => {
        const { room, name } = this.#options;
        const token = await this.#token();
        this.#send({ type: "join", room, name, ...(token && { token }), ...(this.#resume && { resume: this.#resume }) });
      },
      onmessage: (message) => this.#received(message),
      onend: () => this.#lost(),
    });
    this.#signalling.expect("joined");
  }

  // Without a new one the server may still let us in by what it gave us when we joined.
  async #token() {
    const { token } = this.#options;
    return typeof token === "function" ? Promise.resolve().then(token).catch(() => null) : token;
  }

  #lost() {
    if (this.#joining) return this.#refuseJoin("unreachable", "The server cannot be reached. Check its address and your network.");
    if (this.state === "closed") return;
    this.#isJoined = false;
    this.#speaking([]);
    if (!this.#retry.lost()) return this.#close("unreachable", "The server is gone.");
    this.#updateState();
  }

  // While no media shows whether the server is there: asks for something that it must answer, be it with an error.
  #probe() {
    if (this.#isJoined && !this.#publisher.connection && !this.#subscriber.connection) this.#subscriber.restart();
  }

  async #joined({ participant, participants, iceServers, resume }) {
    this.self = { id: participant.id, name: participant.name };
    this.#resume = resume;
    this.#iceServers = iceServers ?? [];
    this.#isJoined = true;
    this.#retry.succeeded();
    this.#statistics.forget();
    this.#subscriber.open(this.#iceServers);
    this.#roster.replace(participants);
    this.#speaking([]);
    if (this.#wanted) this.#send({ type: "subscribe", tracks: this.#wanted });
    if (this.#joining) this.#entered();
    this.#updateState();
    await this.#publishAgain(() => this.#publisher.open(this.#iceServers));
  }

  #entered() {
    this.#joining.resolve(this);
    this.#joining = null;
    rooms.add(this);
    this.#probing = setInterval(() => this.#probe(), probeInterval);
  }

  #refuseJoin(code, message) {
    const { reject } = this.#joining;
    this.#joining = null;
    this.#close(code);
    reject(new NeedletailError(code, message));
  }

  #close(reason, message) {
    if (this.state === "closed") return;
    this.state = "closed";
    this.#retry.stop();
    clearInterval(this.#probing);
    this.#watchdog.stop();
    this.#signalling.close();
    this.#publisher.close();
    this.#subscriber.close();
    this.#own.release();
    rooms.delete(this);
    this.#speaking([]);
    this.#roster.replace([]);
    this.#emit("state", { state: "closed", reason, message });
  }

  // -- What the server says

  #received(message) {
    switch (message.type) {
      case "joined": return this.#joined(message);
      case "answer": return this.#publisher.answered(message);
      case "offer":
        return this.#subscriber.offered(message).catch((error) => this.#report("negotiation-failed", error.message));
      case "participant": return message.event === "left" ? this.#roster.left(message.participant.id) : this.#roster.arrived(message.participant);
      case "track": return this.#trackChanged(message);
      case "quality": return this.#qualityChanged(message.tracks);
      case "speakers": return this.#speaking(message.participants);
      case "error": return this.#refused(message);
    }
  }

  #refused({ code, message, target }) {
    if (this.#joining) return this.#refuseJoin(code, message);
    if (code === "peer-failed") return this.#peerFailed(target);
    if (finalCodes.has(code) && (!this.#isJoined || code === "kicked" || code === "room-closed" || code === "replaced")) {
      return this.#close(code, message);
    }
    if (!this.#isJoined) return this.#signalling.abandon(); // e.g. draining: try again later
    if (this.#publisher.isNegotiating && target !== "subscribe") return this.#publisher.refused(new NeedletailError(code, message));
    // The answer has refused those m-lines, for max-tracks or their codecs, and publishing them fails with "not-accepted".
    if ((code === "limit-exceeded" || code === "unsupported-sdp") && target === "publish") return;
    if (code === "out-of-order" && target === "subscribe") return; // the answer to #probe, or one to an offer that is past
    this.#report(code, message);
  }

  #trackChanged(message) {
    if (message.event === "unplayable") return this.#unplayable(message);
    if (message.participant !== this.self.id) return this.#roster.changed(message);
    const { id, muted } = message.track;
    const ours = [...this.#publisher.sources.values()].find((source) => source.id === id);
    if (ours && ours.muted !== muted) this.#moderated(ours.label, id, muted);
  }

  // Who receives has no codec for what is sent: we of another's track, or another of ours.
  #unplayable({ participant, track, receiver, reason }) {
    const isOurs = participant === this.self.id;
    const label = isOurs ? [...this.#publisher.sources.values()].find((source) => source.id === track.id)?.label : track.label;
    this.#emit("unplayable", { isOurs, label: label ?? track.kind, participant: this.participants.get(isOurs ? receiver : participant) ?? null, reason });
  }

  // An operator muted one of our tracks, or takes that back: then it stays muted until the person wants otherwise.
  #moderated(label, id, muted) {
    if (muted) this.setMuted(label, true);
    else this.#send({ type: "mute", track: id, muted: true });
    this.#emit("moderated", { label, muted });
  }

  #rosterChanged(type, detail) {
    if (type === "trackremoved") this.#statistics.ended(detail.track.id);
    this.#emit(type, detail);
  }

  #qualityChanged(tracks) {
    this.#statistics.told(tracks);
    this.#emit("quality", { tracks });
  }

  #speaking(participants) {
    if (participants.length === 0 && this.speakers.length === 0) return;
    this.speakers = participants;
    this.#emit("speakers", { participants });
  }

  // -- Media that stops

  #mediaChanged(target) {
    const { connection } = target === "publish" ? this.#publisher : this.#subscriber;
    this.#watchdog.changed(target, connection);
    this.#updateState();
  }

  // The server has given the peer up: an ICE restart cannot help any more, a new connection does.
  async #peerFailed(target) {
    if (target === "subscribe") return this.setSubscriptions(this.#wanted);
    if (this.#publisher.isNegotiating) return this.#signalling.abandon(); // it answers a peer that no longer exists
    if (this.#publisher.connection) await this.#publishAgain(() => this.#publisher.renew());
  }

  async #publishAgain(publish) {
    try {
      await publish();
      for (const { id, muted } of this.#publisher.sources.values()) if (id && muted) this.#send({ type: "mute", track: id, muted });
    } catch (error) {
      this.#requestFailed(error);
    }
  }

  #requestFailed(error) {
    if (error.code !== "closed") this.#report(error.code ?? "negotiation-failed", error.message);
  }

  #updateState() {
    if (this.state === "closed") return;
    const interrupted = [this.#publisher, this.#subscriber].some(({ connection }) => this.#watchdog.isInterrupted(connection));
    const state = this.#joining ? "connecting" : this.#isJoined && !interrupted ? "connected" : "reconnecting";
    if (state === this.state) return;
    this.state = state;
    this.#emit("state", { state });
  }

  #report(code, message) { this.#emit("error", { code, message }); }

  #send(message, answer) { this.#signalling?.send(message, answer); }

  #emit(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}
