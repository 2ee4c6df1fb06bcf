import { NeedletailError } from "./failures.js";

// The publish peer: we offer, the server answers. Holds what is published (by label: "microphone", "camera", "screen",
// "screen-audio") apart from the connection that carries it, so that the connection can be replaced by a fresh one.
export class Publisher {
  sources = new Map();
  connection = null;
  #configuration = {};
  #send;
  #onstate;
  #queue = Promise.resolve();
  #pending = null;
  // Resolves when this connection is closed: what is asked of it then may never end.
  #closing = null;
  #stopWaiting = () => {};
  // The transceiver each label has on this connection.
  #slots = new Map();

  // `send(message, answer)` speaks to the server, `answer` being what it is to say; `onstate()` is called whenever the connection's state changes.
  constructor({ send, onstate }) {
    this.#send = send;
    this.#onstate = onstate;
  }

  // Starts anew after (re)joining: the old connection goes, and whatever was published is published again.
  async open(iceServers) {
    this.close();
    this.#configuration = { iceServers, bundlePolicy: "max-bundle" };
    if (this.sources.size > 0) await this.renew();
  }

  // A fresh connection for everything that is published.
  async renew() {
    this.close();
    for (const source of this.sources.values()) source.transceiver = source.id = null;
    const connection = this.#connect();
    for (const source of this.sources.values()) this.#attach(source, connection);
    await this.#negotiate();
  }

  // Publishes `source` {label, kind, media: MediaStreamTrack, encoding, group}; resolves when the server has accepted it, or
  // when the connection went away: it is made again with every source that is kept here.
  async add(source) {
    this.sources.set(source.label, source);
    try {
      const connection = this.connection ?? this.#connect();
      this.#attach(source, connection);
      await this.#negotiate();
      if (source.id || connection !== this.connection) return;
      throw new NeedletailError("not-accepted",
        `The server did not accept the ${source.label}: it takes no more tracks from you, or none in this browser's codecs.`);
    } catch (error) {
      this.sources.delete(source.label);
      this.#detach(source);
      throw error;
    }
  }

  async remove(label) {
    const source = this.sources.get(label);
    if (!source) return;
    this.sources.delete(label);
    this.#detach(source);
    if (this.connection) await this.#negotiate();
  }

  // ICE restart: the same connection finds a new way to the server.
  restart() {
    return this.#negotiate({ iceRestart: true });
  }

  // The server's `answer`, or the error that came in its place.
  answered(message) {
    this.#pending?.resolve(message);
  }

  refused(error) {
    this.#pending?.reject(error);
  }

  get isNegotiating() {
    return this.#pending !== null;
  }

  close() {
    this.#stopWaiting();
    this.connection?.close();
    this.connection = this.#pending = null;
    this.#slots.clear();
    this.#queue = Promise.resolve();
  }

  #connect() {
    const connection = new RTCPeerConnection(this.#configuration);
    connection.onconnectionstatechange = () => {
      if (connection === this.connection) this.#onstate();
    };
    this.connection = connection;
    this.#closing = new Promise((resolve) => { this.#stopWaiting = resolve; });
    return connection;
  }

  #attach(source, connection) {
    const slot = this.#slots.get(source.label);
    if (slot) {
      // An m-line, once negotiated, stays: a source published again takes the one it had.
      slot.direction = "sendonly";
      slot.sender.replaceTrack(source.media);
      source.transceiver = slot;
      return;
    }
    source.transceiver = connection.addTransceiver(source.media ?? source.kind, {
      direction: "sendonly", streams: [source.group], sendEncodings: source.encoding ? [source.encoding] : undefined,
    });
    this.#slots.set(source.label, source.transceiver);
  }

  #detach({ label, transceiver }) {
    if (!transceiver || !this.connection) return;
    if (transceiver.currentDirection === "stopped") return this.#slots.delete(label); // a refused m-line is of no more use
    transceiver.direction = "inactive";
    transceiver.sender.replaceTrack(null).catch(() => {});
  }

  // One negotiation at a time; each starts when those before it are over.
  #negotiate({ iceRestart = false } = {}) {
    const [connection, closing] = [this.connection, this.#closing];
    const turn = this.#queue.then(() => Promise.race([closing, this.#offer(connection, iceRestart)]));
    this.#queue = turn.catch(() => {});
    return turn;
  }

  async #offer(connection, iceRestart) {
    if (connection !== this.connection) return;
    await connection.setLocalDescription(await connection.createOffer({ iceRestart }));
    const { sdp } = connection.localDescription;
    const sources = {};
    for (const { label, transceiver } of this.sources.values()) if (transceiver?.mid) sources[transceiver.mid] = label;
    try {
      const answer = await this.#ask({ ...(iceRestart ? { type: "restart", target: "publish" } : { type: "publish" }), sdp, sources });
      await connection.setRemoteDescription({ type: "answer", sdp: answer.sdp });
      for (const source of this.sources.values()) {
        if (source.transceiver) source.id = answer.tracks?.[source.transceiver.mid]?.id ?? null;
      }
    } catch (error) {
      if (connection.signalingState === "have-local-offer") await connection.setLocalDescription({ type: "rollback" });
      throw error;
    }
  }

  async #ask(message) {
    let pending;
    try {
      return await new Promise((resolve, reject) => {
        this.#pending = pending = { resolve, reject };
        this.#send(message, "answer");
      });
    } finally {
      if (this.#pending === pending) this.#pending = null;
    }
  }
}
