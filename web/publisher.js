import { NeedletailError } from "./failures.js";

const answerTimeout = 10_000;
const connectionErrors = new Set(["closed", "timeout"]);

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
  // The transceiver each label has on this connection.
  #slots = new Map();

  // `send(message)` speaks to the server; `onstate()` is called whenever the connection's state changes.
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

  // Publishes `source` {label, media: MediaStreamTrack, encoding, group}; resolves when the server has accepted it.
  async add(source) {
    if (this.sources.has(source.label)) throw new NeedletailError("already-published", `${source.label} is already published`);
    this.sources.set(source.label, source);
    try {
      this.#attach(source, this.connection ?? this.#connect());
      await this.#negotiate();
      if (!source.id) throw new NeedletailError("unsupported-sdp", `The server did not accept the ${source.label}.`);
    } catch (error) {
      // A connection that went away is made again, with every source that is kept here.
      if (connectionErrors.has(error.code)) return;
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
    this.#pending?.reject(new NeedletailError("closed", "The connection was closed."));
    this.connection?.close();
    this.connection = null;
    this.#slots.clear();
    this.#queue = Promise.resolve();
  }

  #connect() {
    const connection = new RTCPeerConnection(this.#configuration);
    connection.onconnectionstatechange = () => {
      if (connection === this.connection) this.#onstate();
    };
    this.connection = connection;
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

  #detach({ transceiver }) {
    if (!transceiver || this.connection?.signalingState === "closed") return;
    transceiver.direction = "inactive";
    transceiver.sender.replaceTrack(null).catch(() => {});
  }

  // One negotiation at a time; each starts when those before it are over.
  #negotiate({ iceRestart = false } = {}) {
    const connection = this.connection;
    const turn = this.#queue.then(() => this.#offer(connection, iceRestart));
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
      const answer = await this.#ask(iceRestart ? { type: "restart", target: "publish", sdp } : { type: "publish", sdp, sources });
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
    let timer, pending;
    try {
      return await new Promise((resolve, reject) => {
        this.#pending = pending = { resolve, reject };
        timer = setTimeout(() => reject(new NeedletailError("timeout", "The server did not answer.")), answerTimeout);
        this.#send(message);
      });
    } finally {
      clearTimeout(timer);
      if (this.#pending === pending) this.#pending = null;
    }
  }
}
